import { Args } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Pretrain extends KvdCommand {
  static override summary = 'Pre-train a nano base model from scratch';
  static override examples = ['<%= config.bin %> pretrain experiments/nano/pretrain-llama-small.yaml'];
  static override args = { experiment: Args.string({ description: 'YAML file', required: true }) };
  static override flags = {
    set: KvdCommand.setFlag,
    db: KvdCommand.dbFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Pretrain);
    const { loadPretrain } = await import('../experiment/resolve.js');
    const { pretrainModel } = await import('../workflows/pretrain.js');
    const { Store } = await import('../store/store.js');
    const loaded = loadPretrain(args.experiment, flags.set ?? []);
    const store = Store.open(flags.db);
    const result = await pretrainModel(loaded, store, this.jsonEnabled());
    store.close();
    const percent = `${(100 * result.exactMatch).toFixed(1)} ± ${(100 * result.stderr).toFixed(1)} %`;
    this.print(
      `${result.folder}: ${result.parameters} parameters, ${result.steps} steps; test questions answered exactly: ${percent}`,
    );
    return result;
  }
}
