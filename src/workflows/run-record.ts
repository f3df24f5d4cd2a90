/** What every stored run records of its surroundings. */
import { execFileSync } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { UserError } from '../base/errors.js';
import { packageRoot } from '../base/paths.js';
import type { Store } from '../store/store.js';

export { packageVersion as codeVersion } from '../base/paths.js';

/** Commit that kvd runs from, with `+` behind it where files differ; null outside a checkout. */
export function gitCommit(): string | null {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', packageRoot, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const changed = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return `${git('rev-parse', 'HEAD').trim()}${changed ? '+' : ''}`;
  } catch {
    return null;
  }
}

export function machine(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    platform: platform(),
    release: release(),
    arch: arch(),
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memory_bytes: totalmem(),
    node: process.version,
  };
}

/** Marks a run as failed, unless it was interrupted; that the database cannot be written does not hide the failure. */
export function recordFailure(store: Store, runId: string, error: unknown): void {
  if (error instanceof UserError && error.code === 'interrupted') return;
  try {
    store.setStatus(runId, 'failed', error instanceof UserError ? error.describe() : String(error));
  } catch {
    // What made the run fail, a full disk perhaps, is what the user is told.
  }
}
