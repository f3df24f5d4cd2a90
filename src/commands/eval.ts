import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Eval extends KvdCommand {
  static override summary = 'Evaluate compression methods at several retention ratios on a task';
  static override description =
    'Every sample is stored as it ends; an interrupted evaluation goes on where it stopped. Without an ' +
    'experiment file, the flags describe the evaluation.';
  static override examples = [
    '<%= config.bin %> eval experiments/nano/table2.yaml',
    '<%= config.bin %> eval --task nano-long-qa --model llama-long --method full --method kvd --retention 0.1 --fold-tokens 600 --limit 80',
    '<%= config.bin %> eval --task squad --data dev-v1.1.json --method full --method h2i --retention 0.25 --limit 50',
    '<%= config.bin %> eval experiments/nano/table2.yaml --shard 2/8 --db part2.sqlite',
    '<%= config.bin %> eval --task continuation --data essays/ --method kvd --adapter runs/my-adapter --retention 0.5',
  ];
  static override args = { experiment: Args.string({ description: 'YAML file' }) };
  static override flags = {
    set: KvdCommand.setFlag,
    db: KvdCommand.dbFlag,
    task: Flags.string({ description: 'task, without an experiment file' }),
    data: Flags.string({ description: "the task's data: a file or folder", dependsOn: ['task'] }),
    model: Flags.string({
      description: 'model folder or shipped model; llama-small unless given',
      dependsOn: ['task'],
    }),
    method: Flags.string({
      description: 'method',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['task'],
    }),
    retention: Flags.string({
      description: 'share of rows kept',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['task'],
    }),
    limit: Flags.integer({ description: 'most samples', min: 1, dependsOn: ['task'] }),
    'fold-tokens': Flags.integer({
      description:
        'longer contexts are compressed in folds of this many tokens, as their adapter was trained',
      min: 2,
      dependsOn: ['task'],
    }),
    shard: Flags.string({
      description:
        'evaluate one part of the batches: 2/8 is the second of eight; the last to end completes the run',
      helpValue: 'I/N',
    }),
    adapter: Flags.string({
      description:
        'adapter folder; else the one that the experiment trains or, without training, that the model ships',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Eval);
    const { adHocEvaluation, loadChecked } = await import('../workflows/experiments.js');
    const { evaluateExperiment, parseShard } = await import('../workflows/evaluate.js');
    const { renderComparison } = await import('../workflows/report.js');
    const { Store } = await import('../store/store.js');
    const experiments =
      args.experiment === undefined ? [adHocEvaluation(flags)] : loadChecked(args.experiment, flags.set);
    const store = Store.open(flags.db);
    const results = [];
    const shard = flags.shard === undefined ? undefined : parseShard(flags.shard);
    const options = { adapter: flags.adapter, quiet: this.jsonEnabled(), shard };
    for (const loaded of experiments) {
      const result = await evaluateExperiment(loaded, store, options);
      if (!result.complete) this.note(`${loaded.experiment.name}: other parts have yet to be evaluated`);
      results.push({ name: loaded.experiment.name, ...result });
    }
    const runIds = results.map((result) => result.runId);
    this.print(renderComparison(store, runIds, 'terminal'));
    const cells = store.cellSummaries(runIds);
    store.close();
    return { runs: results, cells };
  }
}
