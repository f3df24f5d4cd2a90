import { KvdCommand } from '../cli/base-command.js';

export default class ConfigSchema extends KvdCommand {
  static override summary = 'Print the JSON Schema of experiment files, for editors';
  static override examples = ['<%= config.bin %> config-schema > kvd.schema.json'];

  async run(): Promise<unknown> {
    await this.parse(ConfigSchema);
    const { configSchema } = await import('../experiment/json-schema.js');
    const schema = configSchema();
    this.print(JSON.stringify(schema, null, 2));
    return schema;
  }
}
