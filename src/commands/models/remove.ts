import { Args, Flags } from '@oclif/core';
import { UserError } from '../../base/errors.js';
import { KvdCommand } from '../../cli/base-command.js';

export default class ModelsRemove extends KvdCommand {
  static override summary = 'Remove a pulled model, or one revision of it';
  static override examples = [
    '<%= config.bin %> models remove org/name --yes',
    '<%= config.bin %> models remove org/name@v2 --yes',
  ];
  static override args = {
    repository: Args.string({ description: 'org/name, or org/name@revision', required: true }),
  };
  static override flags = { yes: Flags.boolean({ description: 'do not ask' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelsRemove);
    const { removeModel } = await import('../../workflows/models.js');
    const question = `Remove ${args.repository} from Hugging Face's cache? [y/N] `;
    if (!flags.yes && !(await this.confirm(question))) {
      throw new UserError('not-removed', 'nothing was removed', { exitCode: 1, hint: 'Confirm with --yes.' });
    }
    const { removed, bytes } = removeModel(args.repository);
    this.print(`Removed ${removed} (${(bytes / 1e6).toFixed(1)} MB)`);
    return { removed, bytes };
  }
}
