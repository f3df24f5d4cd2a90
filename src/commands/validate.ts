import { Args } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Validate extends KvdCommand {
  static override summary = 'Check experiment files: everything that can be checked without running them';
  static override examples = [
    '<%= config.bin %> validate experiments',
    '<%= config.bin %> validate my.yaml --set seed=3',
  ];
  static override strict = false;
  static override args = { path: Args.string({ description: 'files or folders', required: true }) };
  static override flags = {
    set: KvdCommand.setFlag,
  };

  async run(): Promise<unknown> {
    const { argv, flags } = await this.parse(Validate);
    const { validateFiles } = await import('../workflows/validate.js');
    const results = validateFiles(argv as string[], flags.set ?? []);
    for (const { file, problems, summary } of results) {
      this.print(problems.length === 0 ? `ok  ${file}: ${summary}` : problems.join('\n'));
    }
    if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 2;
    return results;
  }
}
