import { Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Report extends KvdCommand {
  static override summary = 'Make a table of what is stored';
  static override examples = [
    '<%= config.bin %> report',
    '<%= config.bin %> report --table table2 --format latex --output table2.tex',
  ];
  static override flags = {
    db: KvdCommand.dbFlag,
    table: Flags.string({
      description: 'comparison, or the first table of a target of kvd reproduce',

      default: 'comparison',
    }),
    format: Flags.string({ description: 'terminal, markdown, csv, latex or json', default: 'terminal' }),
    run: Flags.string({ description: 'only these runs', multiple: true, helpValue: 'ID' }),
    output: Flags.string({ description: 'write to this file', helpValue: 'FILE' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Report);
    const { report } = await import('../workflows/report.js');
    const { Store } = await import('../store/store.js');
    const store = Store.open(flags.db);
    const { text, table } = report(store, { ...flags, runs: flags.run });
    store.close();
    this.print(flags.output === undefined ? text : `Written: ${flags.output}`);
    return table;
  }
}
