import { Args } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class RunsCompare extends KvdCommand {
  static override summary = 'Compare two evaluations: what differs in them, tested on the paired samples';
  static override description =
    "McNemar's exact test for accuracy, a paired bootstrap for F1. Several runs that differ by their seed only may be " +
    'given for either side, joined by commas; their scores are averaged per sample.';
  static override examples = ['<%= config.bin %> runs compare mh2k3x9a mh2k4b11', '<%= config.bin %> runs compare a1,a2 b1,b2'];
  static override args = {
    first: Args.string({ description: 'run, or runs joined by commas', required: true }),
    second: Args.string({ description: 'run, or runs joined by commas', required: true }),
  };
  static override flags = { db: KvdCommand.dbFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsCompare);
    const { compareRuns } = await import('../../workflows/compare.js');
    const { value, text } = compareRuns(flags.db, args.first.split(','), args.second.split(','));
    this.print(text);
    return value;
  }
}
