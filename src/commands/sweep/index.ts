import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../../cli/base-command.js';

export default class SweepStart extends KvdCommand {
  static override summary = 'Run the whole matrix of an experiment as tasks, here or on Slurm';
  static override description =
    'Each task trains and evaluates one experiment in a database of its own, and goes on where it was interrupted. ' +
    'Started again, a sweep does what is left of it.';
  static override examples = [
    '<%= config.bin %> sweep experiments/nano/table2.yaml --jobs 2',
    '<%= config.bin %> sweep my-sweep.yaml --launcher slurm && <%= config.bin %> sweep status runs/sweep-my-sweep-1a2b3c4d',
  ];
  static override args = { experiment: Args.string({ description: 'YAML file', required: true }) };
  static override flags = {
    set: KvdCommand.setFlag,
    launcher: Flags.string({ description: 'local or slurm', default: 'local' }),
    jobs: Flags.integer({ description: 'tasks at once, with the local launcher', default: 1, min: 1 }),
    shards: Flags.integer({ description: 'tasks that share each evaluation', default: 1, min: 1 }),
    output: Flags.string({ description: "the sweep's folder", helpValue: 'FOLDER' }),
    db: KvdCommand.dbFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(SweepStart);
    const { collectSweep, startSweep, sweepTable } = await import('../../workflows/sweep.js');
    const { folder, tasks } = await startSweep({
      ...flags,
      file: args.experiment,
      sets: flags.set ?? [],
      quiet: this.jsonEnabled(),
    });
    this.print(sweepTable(folder, tasks));
    const finished = tasks.every(({ status }) => status === 'finished');
    const collected = finished ? await collectSweep(folder, flags.db) : undefined;
    const stored = `Stored in ${flags.db}: see it with kvd report`;
    this.print(finished ? stored : `Next: kvd sweep status ${folder}, then kvd sweep collect ${folder}`);
    return { folder, tasks, ...(collected && { collected }) };
  }
}
