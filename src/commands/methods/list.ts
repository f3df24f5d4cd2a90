import { KvdCommand } from '../../cli/base-command.js';

export default class MethodsList extends KvdCommand {
  static override summary = 'List the compression methods, what they need and where they come from';
  static override examples = ['<%= config.bin %> methods list'];

  async run(): Promise<unknown> {
    await this.parse(MethodsList);
    const { listMethods } = await import('../../workflows/methods.js');
    const list = listMethods();
    for (const { name, summary, reference, needs } of list) {
      this.print(
        `${name.padEnd(16)} ${summary}\n                 needs: ${needs.join(', ') || 'nothing'}; ${reference}`,
      );
    }
    return list;
  }
}
