/** Python environments of pinned packages, made where they are missing, in the user's cache. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../dist/base/paths.js';

/**
 * Path of the Python of an environment in `<cache>/<name>-<hash>`.
 * @param pinned the packages; the hash is of them
 * @param packages what pip is given
 * @param say what is told where it is to be made
 */
export function pythonWith(name, pinned, packages, say) {
  const hash = createHash('sha256').update(pinned).digest('hex').slice(0, 12);
  const folder = join(cacheDir(), `${name}-${hash}`);
  const python = join(folder, 'bin', 'python');
  if (existsSync(python)) return python;
  process.stderr.write(`bench: installing ${say} in ${folder}\n`);
  const making = `${folder}.${process.pid}`;
  try {
    execFileSync('python3', ['-m', 'venv', making], { stdio: 'inherit' });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
    execFileSync(join(making, 'bin', 'python'), pip, { stdio: 'inherit' });
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return python;
}

/** Path of the peers' Python. Torch needs its nvidia packages even without a GPU: 6 GB of disk in all. */
export function peersPython() {
  const file = fileURLToPath(new URL('peers/requirements.txt', import.meta.url));
  const say = 'PyTorch, Transformers and kvpress (6 GB, some minutes)';
  return pythonWith('peers', readFileSync(file), ['-r', file], say);
}
