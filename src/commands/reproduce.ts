import { Args, Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Reproduce extends KvdCommand {
  static override summary = 'Regenerate tables and figures of the paper, with its numbers beside ours';
  static override description =
    'Trains and evaluates what is missing, reuses what was made under the same configuration, and says which. ' +
    'Interrupted, it goes on where it stopped.';
  static override examples = [
    '<%= config.bin %> reproduce --scale nano --output results/nano',
    '<%= config.bin %> reproduce table2 --scale nano --quick',
  ];
  static override args = {
    target: Args.string({
      description: 'table1 to table5, figure3 to figure6, ablations or intrinsic; all unless given',
    }),
  };
  static override flags = {
    scale: Flags.string({ description: 'folder of experiments: size of models and data', default: 'nano' }),
    quick: Flags.boolean({ description: 'fewer seeds, steps and questions: minutes' }),
    jobs: Flags.integer({
      description: 'experiments side by side, each in a process of its own with its share of the cores',
      default: 1,
      min: 1,
    }),
    set: Flags.string({
      description: 'override a key of every experiment: a.b=value',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'KEY=VALUE',
    }),
    output: Flags.string({ description: 'folder for the report', helpValue: 'FOLDER' }),
    db: KvdCommand.dbFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Reproduce);
    const { reproduce } = await import('../workflows/reproduce.js');
    const { asText } = await import('../workflows/report.js');
    const { writeDocument } = await import('../workflows/document.js');
    const document = await reproduce(
      { ...args, ...flags, sets: flags.set, quiet: this.jsonEnabled() },
      (line) => this.note(line),
    );
    this.print(asText(document));
    const files = flags.output === undefined ? [] : await writeDocument(flags.output, 'report', document);
    if (files.length > 0) this.note(`Written: ${files.join(', ')}`);
    const { sources: _details, ...shown } = document;
    return { ...shown, files };
  }
}
