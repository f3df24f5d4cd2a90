import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsList extends KvdCommand {
  static override summary = 'List the shipped models';
  static override examples = ['<%= config.bin %> models list'];

  async run(): Promise<unknown> {
    await this.parse(ModelsList);
    const { shippedModels } = await import('../../workflows/models.js');
    const models = shippedModels();
    for (const model of models) {
      this.print(`${model.name.padEnd(14)} ${model.architecture}, ${model.parameters} parameters, ${model.layers} layers; ${model.folder}`);
    }
    return models;
  }
}
