import { Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Demo extends KvdCommand {
  static override summary =
    'Ask one question of a shipped document, uncompressed and compressed, without training';
  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --document 2 --retention 0.05',
    '<%= config.bin %> demo --document 1 --question "summarize the report."',
  ];
  static override flags = {
    document: Flags.integer({
      description: 'number of the document in the test split of nano-long',
      default: 0,
      min: 0,
      max: 1999,
    }),
    question: Flags.string({ description: 'a question of your own in the words of the nano world' }),
    retention: Flags.string({
      description: 'share of rows that kvd keeps, above 0, at most 1',
      default: '0.2',
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Demo);
    const { demonstrate } = await import('../workflows/demo.js');
    const { value, text } = await demonstrate(flags);
    this.print(text);
    return value;
  }
}
