import { Flags } from '@oclif/core';
import { KvdCommand } from '../cli/base-command.js';

export default class Setup extends KvdCommand {
  static override summary = 'Install the native tensor engine (libtensorflow and its addon)';
  static override description =
    'Safe to run twice, twice at once, or again after an interruption. Kept under XDG_CACHE_HOME/kvd.';
  static override examples = [
    '<%= config.bin %> setup',
    '<%= config.bin %> setup --gpu',
    '<%= config.bin %> setup --mpi',
  ];
  static override flags = {
    gpu: Flags.boolean({ description: 'with CUDA kernels and their libraries (several GB)' }),
    mpi: Flags.boolean({ description: 'only what training under mpirun needs, with the MPI installed here' }),
    force: Flags.boolean({ description: 'build again even if it is there' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Setup);
    const { setup } = await import('../workflows/setup.js');
    const note = (text: string): void => this.note(text);
    const result = await setup({ ...flags, quiet: this.jsonEnabled(), note });
    this.print(`${result.installed ? 'Installed' : 'Already there'}: ${result.folder}`);
    return result;
  }
}
