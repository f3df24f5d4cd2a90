import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Data extends KvdCommand {
  static override summary = 'Show samples of a dataset, or list the datasets';
  static override examples = [
    '<%= config.bin %> data',
    '<%= config.bin %> data nano --split test --limit 2',
    '<%= config.bin %> data squad --set data=dev-v1.1.json',
  ];
  static override args = { dataset: Args.string({ description: 'dataset' }) };
  static override flags = {
    split: Flags.string({ description: 'split; the validation set, or the last there is, where not given' }),
    limit: Flags.integer({ description: 'passages to show', default: 1, min: 1 }),
    set: Flags.string({
      description: 'option of the dataset: key=value',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Data);
    const { describeDatasets, showPassages } = await import('../workflows/data.js');
    const { value, text } =
      args.dataset === undefined
        ? describeDatasets()
        : showPassages({ ...flags, dataset: args.dataset, set: flags.set ?? [] });
    this.print(text);
    return value;
  }
}
