import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Train extends KvdCommand {
  static override summary = 'Distil an adapter for a model, as an experiment says';
  static override description =
    'A killed run goes on from its last checkpoint; an experiment trained before is found again. ' +
    'Under mpirun or srun (after kvd setup --mpi) the ranks share each batch.';
  static override examples = [
    '<%= config.bin %> train experiments/nano/table2.yaml',
    'mpirun -n 2 <%= config.bin %> train experiments/nano/table2.yaml',
    '<%= config.bin %> train experiments/nano/table2.yaml --set training.max_steps=200 --set seed=2',
  ];
  static override args = { experiment: Args.string({ description: 'YAML file', required: true }) };
  static override flags = {
    set: KvdCommand.setFlag,
    db: KvdCommand.dbFlag,
    tracker: Flags.string({
      description:
        'send metrics to tensorboard, mlflow, csv or jsonl as well; KVD_TRACKERS names them for all commands',
      multiple: true,
      multipleNonGreedy: true,
    }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Train);
    const { loadChecked } = await import('../workflows/experiments.js');
    const { trainExperiment } = await import('../workflows/train.js');
    const { followTraining, inGroup } = await import('../workflows/train-rank.js');
    const { Store } = await import('../store/store.js');
    const experiments = loadChecked(args.experiment, flags.set);
    return inGroup(async (group) => {
      if (group.rank > 0) {
        for (const loaded of experiments) await followTraining(loaded, group);
        return [];
      }
      const store = Store.open(flags.db);
      const results = [];
      this.note(`${experiments.length} experiment${experiments.length === 1 ? '' : 's'} to train`);
      for (const loaded of experiments) {
        const result = await trainExperiment(loaded, store, this.jsonEnabled(), group, flags.tracker);
        const state = result.reused ? 'already trained' : `trained, ${result.steps} steps`;
        this.print(`${loaded.experiment.name}: ${state}; adapter in ${result.adapter} (run ${result.runId})`);
        results.push({ name: loaded.experiment.name, ...result });
      }
      store.close();
      return results;
    });
  }
}
