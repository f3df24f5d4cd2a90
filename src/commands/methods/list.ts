import { KvdCommand } from '../../cli/base-command.js';

export default class MethodsList extends KvdCommand {
  static override summary =
    'List the compression methods, what they need, their options and where they come from';
  static override examples = ['<%= config.bin %> methods list', '<%= config.bin %> methods list --json'];

  async run(): Promise<unknown> {
    await this.parse(MethodsList);
    const { listMethods } = await import('../../workflows/methods.js');
    const list = listMethods();
    const indent = ' '.repeat(20);
    for (const { name, summary, reference, needs, options } of list) {
      this.print(`${name.padEnd(19)} ${summary}`);
      this.print(`${indent}needs: ${needs.join(', ') || 'nothing'}; ${reference}`);
      const own = options.map((option) =>
        'default' in option ? `${option.name}=${JSON.stringify(option.default)}` : option.name,
      );
      if (own.length > 0) this.print(`${indent}options: ${own.join(', ')}`);
    }
    return list;
  }
}
