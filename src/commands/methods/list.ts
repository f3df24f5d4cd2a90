import { KvdCommand } from '../../cli/base-command.js';

export default class MethodsList extends KvdCommand {
  static override summary = 'List the compression methods, what they need and where they come from';
  static override examples = ['<%= config.bin %> methods list'];

  async run(): Promise<unknown> {
    await this.parse(MethodsList);
    const { methods } = await import('../../methods/index.js');
    const list = methods.list().map(({ name, summary, reference, needs }) => ({ name, summary, reference, needs }));
    for (const { name, summary, reference, needs } of list) {
      const wanted = Object.entries(needs).filter(([, needed]) => needed).map(([need]) => need);
      this.print(`${name.padEnd(10)} ${summary}\n           needs: ${wanted.join(', ') || 'nothing'}; ${reference}`);
    }
    return list;
  }
}
