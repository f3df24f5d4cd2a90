/** `kvd setup`: the native engine, with progress. */
import { dirname } from 'node:path';
import { mpiAddon } from '../engine/group.js';
import { installMpi } from '../engine/install-mpi.js';
import { installEngine, type InstallStep } from '../engine/install.js';
import { engineFolder } from '../engine/native.js';
import { diagnoseGpu, type GpuDiagnosis } from '../engine/nvidia.js';
import { withProgress } from './progress.js';

const STEPS: Record<InstallStep, string> = {
  download: 'fetching libtensorflow (270 MB; with --gpu several GB)',
  unpack: 'unpacking',
  compile: 'compiling the addon',
  check: 'checking that it loads',
};

export async function setup(options: {
  gpu: boolean;
  /** The addon for MPI instead of the engine. */
  mpi: boolean;
  force: boolean;
  quiet: boolean;
  /** Told what is in the way of a GPU, before gigabytes are fetched for it. */
  note(text: string): void;
}): Promise<{ installed: boolean; folder: string; gpu?: GpuDiagnosis }> {
  if (options.mpi) return { installed: await installMpi(options.force), folder: dirname(mpiAddon()) };
  const flavour = options.gpu ? 'gpu' : 'cpu';
  const names = Object.keys(STEPS) as InstallStep[];
  const gpu = options.gpu ? await diagnoseGpu() : undefined;
  if (gpu?.problem !== undefined)
    options.note(`It will compute on the CPU or run short: ${gpu.problem}; mend it: ${gpu.remedy}`);
  const installed = await withProgress('Setting up the native engine', names.length, options.quiet, (tick) =>
    installEngine(flavour, {
      force: options.force,
      onStep: (step) => tick(names.indexOf(step) + 1, STEPS[step]),
    }),
  );
  return { installed, folder: engineFolder(flavour), ...(gpu && { gpu }) };
}
