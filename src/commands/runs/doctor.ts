import { Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsDoctor extends KvdCommand {
  static override summary = 'Check a results database, and rescue what can be read of a damaged one';
  static override description = 'Reads every page and every sum; changes nothing. Exit code 1 where something is wrong.';
  static override examples = [
    '<%= config.bin %> runs doctor',
    '<%= config.bin %> runs doctor --db damaged.sqlite --salvage rescued.sqlite',
  ];
  static override flags = {
    db: KvdCommand.dbFlag,
    salvage: Flags.string({ description: 'copy every readable row into this new database', helpValue: 'FILE' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RunsDoctor);
    const { runsDoctor } = await import('../../workflows/store-care.js');
    const { value, text } = runsDoctor(flags.db, flags.salvage);
    this.print(text);
    if (value.problems.length > 0) process.exitCode = 1;
    return value;
  }
}
