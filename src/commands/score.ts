import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class ScoreCommand extends KvdCommand {
  static override summary = 'Mark predictions of any program by our metrics, without a model';
  static override description =
    'Lines of JSON: {"id", "prediction", "references": [...]}, or the references in a file of their own, matched by id ' +
    '(by line where there are none). Questions with choices have "choices" and "correct", and "choice_log_likelihoods" ' +
    "for choice accuracy. With --against, two files are tested on the samples that both have: McNemar's exact test for " +
    'marks of 0 and 1, a paired bootstrap for all others.';
  static override examples = [
    '<%= config.bin %> score predictions.jsonl',
    '<%= config.bin %> score predictions.jsonl --references dev.jsonl --metric rougeL --json',
    '<%= config.bin %> score ours.jsonl --against theirs.jsonl',
  ];
  static override args = {
    predictions: Args.string({ description: 'JSON Lines file', required: true }),
  };
  static override flags = {
    references: Flags.string({ description: 'JSON Lines file with the references', helpValue: 'FILE' }),
    against: Flags.string({
      description: 'second file of predictions, tested against the first',
      helpValue: 'FILE',
    }),
    metric: Flags.string({
      description: 'metric; all that the lines allow unless given',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ScoreCommand);
    const { renderScores, scoreFiles } = await import('../workflows/score.js');
    const result = scoreFiles({ ...args, ...flags, metrics: flags.metric });
    this.print(renderScores(result));
    return result;
  }
}
