/** Builds engine/mpi/allreduce.cc with the MPI that is installed: Open MPI or MPICH. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, UserError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { packageRoot } from '../base/paths.js';
import { mpiAddon } from './group.js';

const run = promisify(execFile);

/** Folder of Node's headers, beside the program that runs. */
function nodeHeaders(): string {
  const folder = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(folder, 'node_api.h'))) return folder;
  throw new UserError('no-node-headers', "Node's headers are not there", {
    where: folder,
    hint: "Install Node from nodejs.org's archive, which has them, or Debian's libnode-dev.",
    exitCode: 1,
  });
}

/** @returns whether anything had to be done */
export async function installMpi(force: boolean): Promise<boolean> {
  const target = mpiAddon();
  if (existsSync(target) && !force) return false;
  const made = `${target}.${process.pid}.building`;
  const source = join(packageRoot, 'engine', 'mpi', 'allreduce.cc');
  const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', '-DNODE_GYP_MODULE_NAME=mpi', '-DNAPI_VERSION=8'];
  const compiler = process.env.MPICXX ?? 'mpicxx';
  try {
    mkdirSync(dirname(target), { recursive: true });
    await run(compiler, [...flags, `-I${nodeHeaders()}`, '-o', made, source]);
    renameSync(made, target);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new UserError('no-mpi', `${compiler} was not found`, {
        hint: 'Install Open MPI or MPICH (Debian: apt-get install openmpi-bin libopenmpi-dev), or name its compiler in MPICXX.',
        exitCode: 1,
      });
    }
    const { stderr } = error as { stderr?: string };
    if (stderr === undefined) throw fileError(error, target);
    throw new UserError(
      'compile-failed',
      `the MPI addon did not compile:\n  ${stderr.trim().split('\n').slice(0, 3).join('\n  ')}`,
      {
        hint: 'Check the MPI installation.',
        exitCode: 1,
        cause: error,
      },
    );
  } finally {
    rmSync(made, { force: true });
  }
}
