import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsList extends KvdCommand {
  static override summary = 'List the models that are there: shipped ones and pulled ones';
  static override examples = ['<%= config.bin %> models list'];

  async run(): Promise<unknown> {
    await this.parse(ModelsList);
    const { pulledModels, renderModels, shippedModels } = await import('../../workflows/models.js');
    const shipped = shippedModels();
    const pulled = pulledModels();
    this.print(renderModels(shipped, pulled));
    return [...shipped, ...pulled];
  }
}
