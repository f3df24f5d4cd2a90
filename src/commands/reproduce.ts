import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Reproduce extends KvdCommand {
  static override summary = 'Regenerate a table of the paper, with the published numbers beside ours';
  static override description =
    'Trains what the table needs, or reuses what was trained under the same configuration, evaluates it and prints it.';
  static override examples = [
    '<%= config.bin %> reproduce table2 --scale nano --quick',
    '<%= config.bin %> reproduce table2 --scale nano --output results/nano',
  ];
  static override args = {
    target: Args.string({ description: 'what to regenerate', options: ['table2'], required: true }),
  };
  static override flags = {
    scale: Flags.string({ description: 'size of models and data', options: ['nano'], default: 'nano' }),
    quick: Flags.boolean({
      description: 'fewer steps and questions: minutes instead of the best part of an hour',
    }),
    output: Flags.string({
      description: 'folder for the report as Markdown, CSV, LaTeX and JSON',
      helpValue: 'FOLDER',
    }),
    db: KvdCommand.dbFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Reproduce);
    const { reproduce } = await import('../workflows/reproduce.js');
    const result = await reproduce({ ...args, ...flags, quiet: this.jsonEnabled() }, (line) =>
      this.note(line),
    );
    this.print(result.text);
    return { table: result.table, verdicts: result.verdicts, files: result.files };
  }
}
