import { KvdCommand } from '../../cli/base-command.js';

export default class DataList extends KvdCommand {
  static override summary = 'List the datasets, and what of them has been fetched';
  static override examples = ['<%= config.bin %> data list'];

  async run(): Promise<unknown> {
    await this.parse(DataList);
    const { describeDatasets } = await import('../../workflows/data.js');
    const { value, text } = describeDatasets();
    this.print(text);
    return value;
  }
}
