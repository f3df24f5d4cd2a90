import { existsSync } from 'node:fs';
import { Args, Flags } from '@oclif/core';
import { UserError } from '../base/errors.js';
import { KvdCommand } from '../cli/base-command.js';

export default class Init extends KvdCommand {
  static override summary = 'Write a commented example experiment';
  static override examples = ['<%= config.bin %> init', '<%= config.bin %> init my-experiment.yaml'];
  static override args = { file: Args.string({ description: 'file to write', default: 'experiment.yaml' }) };
  static override flags = { force: Flags.boolean({ description: 'write over an existing file' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Init);
    const { exampleExperiment } = await import('../experiment/example.js');
    const { writeFileAtomic } = await import('../base/files.js');
    if (existsSync(args.file) && !flags.force) {
      throw new UserError('file-exists', 'exists already', {
        where: args.file,
        hint: 'Choose another name, or --force.',
      });
    }
    writeFileAtomic(args.file, exampleExperiment);
    this.print(
      `Written: ${args.file}\nNext: kvd validate ${args.file} && kvd train ${args.file} && kvd eval ${args.file}`,
    );
    return { file: args.file };
  }
}
