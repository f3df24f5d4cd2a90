import { Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Report extends KvdCommand {
  static override summary = 'Make the report, or a table, of what is stored';
  static override description =
    'The report is what `kvd reproduce` recorded; where it recorded nothing, or runs are named, evaluations side by side.';
  static override examples = [
    '<%= config.bin %> report',
    '<%= config.bin %> report --format html --output report.html',
    '<%= config.bin %> report --table comparison --run ID',
    '<%= config.bin %> report --table table2 --format latex --output table2.tex',
  ];
  static override flags = {
    db: KvdCommand.dbFlag,
    table: Flags.string({
      description: 'one table instead: comparison, or the first of a target of kvd reproduce',
    }),
    format: Flags.string({
      description: 'terminal, html, markdown, latex, csv or json',
      default: 'terminal',
    }),
    run: Flags.string({
      description: 'only these runs',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'ID',
    }),
    output: Flags.string({ description: 'write to this file', helpValue: 'FILE' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Report);
    const { report } = await import('../workflows/report.js');
    const { Store } = await import('../store/store.js');
    const store = Store.open(flags.db);
    const { text, value } = await report(store, { ...flags, runs: flags.run });
    store.close();
    this.print(flags.output === undefined ? text : `Written: ${flags.output}`);
    return value;
  }
}
