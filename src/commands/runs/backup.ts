import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsBackup extends KvdCommand {
  static override summary = 'Copy the results database, checked, while others go on writing to it';
  static override examples = ['<%= config.bin %> runs backup backups/monday.sqlite'];
  static override args = { file: Args.string({ description: 'new file', required: true }) };
  static override flags = { db: KvdCommand.dbFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsBackup);
    const { backupRuns } = await import('../../workflows/store-care.js');
    const result = backupRuns(flags.db, args.file);
    this.print(`Written: ${result.file} (${result.runs} runs)`);
    return result;
  }
}
