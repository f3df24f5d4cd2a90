import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsShow extends KvdCommand {
  static override summary = 'Show one run: configuration, surroundings, metrics, results';
  static override examples = ['<%= config.bin %> runs show mh2k3x9a'];
  static override args = { run: Args.string({ description: 'id, or its beginning', required: true }) };
  static override flags = { db: KvdCommand.dbFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsShow);
    const { showRun } = await import('../../workflows/runs.js');
    const { value, text } = showRun(flags.db, args.run);
    this.print(text);
    return value;
  }
}
