import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsImport extends KvdCommand {
  static override summary = 'Take over the runs of an export or of another database';
  static override description =
    'All of them or, when something is wrong, none; what is there already stays, so that importing twice changes nothing.';
  static override examples = [
    '<%= config.bin %> runs import runs.jsonl',
    '<%= config.bin %> runs import other/kvd.sqlite',
  ];
  static override args = { file: Args.string({ description: 'JSON Lines or database', required: true }) };
  static override flags = { db: KvdCommand.dbFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsImport);
    const { importRuns } = await import('../../workflows/store-care.js');
    const merged = importRuns(flags.db, args.file);
    this.print(`Imported: ${merged.runs} new runs, ${merged.metrics} metrics, ${merged.samples} samples`);
    return merged;
  }
}
