import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class DataStats extends KvdCommand {
  static override summary = "Count a dataset's tokens under a model's tokenizer, as Table 1 does";
  static override examples = [
    '<%= config.bin %> data stats nano --model llama-small --limit 200',
    '<%= config.bin %> data stats squality --split test --model meta-llama/Meta-Llama-3-8B-Instruct',
  ];
  static override args = { dataset: Args.string({ description: 'dataset', required: true }) };
  static override flags = {
    model: Flags.string({ description: 'model whose tokenizer counts', default: 'llama-small' }),
    split: Flags.string({ description: 'split; the test set, or the last there is, where not given' }),
    limit: Flags.integer({ description: 'most passages', min: 1 }),
    set: Flags.string({
      description: 'option of the dataset: key=value',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(DataStats);
    const { dataStatistics, renderStatistics } = await import('../../workflows/data-stats.js');
    const { model, split, limit, set = [] } = flags;
    const found = await dataStatistics({
      dataset: args.dataset,
      model,
      split,
      limit,
      set,
      quiet: this.jsonEnabled(),
    });
    this.print(renderStatistics(found));
    return found;
  }
}
