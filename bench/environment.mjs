/** The peers' Python environment, made where it is missing: pinned packages, in the user's cache. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../dist/base/paths.js';

const requirements = fileURLToPath(new URL('peers/requirements.txt', import.meta.url));

/** Path of the environment's Python. Torch needs its nvidia packages even without a GPU: 6 GB of disk in all. */
export function peersPython() {
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(cacheDir(), `peers-${version}`);
  const python = join(folder, 'bin', 'python');
  if (existsSync(python)) return python;
  process.stderr.write(
    `bench: installing PyTorch, Transformers and kvpress in ${folder} (6 GB, some minutes)\n`,
  );
  const making = `${folder}.${process.pid}`;
  try {
    execFileSync('python3', ['-m', 'venv', making], { stdio: 'inherit' });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    execFileSync(join(making, 'bin', 'python'), pip, { stdio: 'inherit' });
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return python;
}
