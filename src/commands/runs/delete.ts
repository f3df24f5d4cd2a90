import { Args, Flags } from '@oclif/core';
import { UserError } from '../../base/errors.js';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsDelete extends KvdCommand {
  static override summary = 'Delete a run with its metrics and samples';
  static override examples = ['<%= config.bin %> runs delete mh2k3x9a --yes'];
  static override args = { run: Args.string({ description: 'id, or its beginning', required: true }) };
  static override flags = { db: KvdCommand.dbFlag, yes: Flags.boolean({ description: 'do not ask' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsDelete);
    const { Store } = await import('../../store/store.js');
    const store = Store.open(flags.db);
    try {
      const { id, name } = store.run(args.run);
      if (!flags.yes && !(await this.confirm(`Delete run ${id} (${name}) with all its samples? [y/N] `))) {
        throw new UserError('not-deleted', 'nothing was deleted', { exitCode: 1, hint: 'Confirm with --yes.' });
      }
      store.deleteRun(id);
      this.print(`Deleted run ${id} (${name})`);
      return { deleted: id };
    } finally {
      store.close();
    }
  }
}
