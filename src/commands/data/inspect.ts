import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class DataInspect extends KvdCommand {
  static override summary = 'Show what a dataset is: origin, licence, options, files';
  static override examples = ['<%= config.bin %> data inspect squad'];
  static override args = { dataset: Args.string({ description: 'dataset', required: true }) };

  async run(): Promise<unknown> {
    const { args } = await this.parse(DataInspect);
    const { inspectDataset } = await import('../../workflows/data.js');
    const { value, text } = inspectDataset(args.dataset);
    this.print(text);
    return value;
  }
}
