/** The processes that train together: one, unless an MPI launcher (mpirun, srun) started several. */
import { constants } from 'node:os';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { cacheDir } from '../base/paths.js';

export interface Group {
  /** Of this process, from 0; rank 0 alone writes. */
  readonly rank: number;
  readonly size: number;
  /** Sums an array over all ranks in place, to the same bits in each; every rank must call it in the same order. */
  sum(values: Float32Array): void;
  /** Leaves in good order; every rank must. */
  finish(): void;
  /** Ends every rank at once. */
  abort(): void;
}

/** A process on its own. */
export const solo: Group = {
  rank: 0,
  size: 1,
  sum: () => undefined,
  finish: () => undefined,
  abort: () => undefined,
};

/** What launchers of Open MPI, MPICH and Slurm tell a process of the number of ranks. */
const SIZES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE', 'MPI_LOCALNRANKS'];

/** The compiled engine/mpi/allreduce.cc, for this version of Node's interface. */
export function mpiAddon(): string {
  return join(cacheDir(), 'engine', `mpi-${process.platform}-${process.arch}-1`, 'mpi.node');
}

interface Addon extends Pick<Group, 'sum' | 'finish' | 'abort'> {
  start(): { rank: number; size: number };
}

/** The group that this process was started in. */
export function joinGroup(): Group {
  const ranks = Math.max(1, ...SIZES.map((name) => Number(process.env[name] ?? 1)));
  if (!(ranks > 1)) return solo;
  const path = mpiAddon();
  if (!existsSync(path)) {
    throw new UserError('no-mpi', `started as one of ${ranks} ranks, but kvd is not set up for MPI`, {
      hint: 'Run `kvd setup --mpi` once.',
    });
  }
  const module = { exports: {} as Addon };
  // Open MPI loads parts of itself that look for its symbols among the global ones.
  process.dlopen(module, path, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL);
  return Object.assign(module.exports, module.exports.start());
}

/** Whether there is anything to train: the first rank knows, the others learn it. */
export function agreeToTrain(group: Group, needed: boolean): boolean {
  const flag = Float32Array.of(needed ? 1 : 0);
  group.sum(flag);
  return flag[0]! > 0;
}
