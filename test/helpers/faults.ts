/** Programs that are killed, or whose disk fails, at a chosen system call (test/stress/faults.c). */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Path of the compiled shim; undefined where there is no C compiler, or this is no Linux. */
export const faults = ((): string | undefined => {
  if (process.platform !== 'linux') return undefined;
  const path = join(mkdtempSync(join(tmpdir(), 'kvd-faults-')), 'faults.so');
  const flags = ['-shared', '-fPIC', '-O1', '-o', path, resolve('test/stress/faults.c'), '-ldl'];
  const { status, stderr, error } = spawnSync('cc', flags, { encoding: 'utf8' });
  if (status === 0) return path;
  if (error === undefined) throw new Error(stderr);
  return undefined;
})();

export interface Fault {
  /** Folder whose files count. */
  under: string;
  /** The writing call, from 1, at which it happens; never where not given. */
  at?: number;
  /** The error that it and all later calls give; the process is killed where none is given. */
  errno?: 'ENOSPC' | 'EDQUOT' | 'EIO' | 'ESTALE' | 'EROFS';
  /** Whether a write is done by half before the process is killed. */
  torn?: boolean;
  /** Milliseconds that each reading and writing call takes longer. */
  delay?: number;
}

export interface FaultyRun {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Writing calls; 0 where the process was killed. */
  calls: number;
}

/** Environment of a program that meets `fault`. */
export function faultEnvironment(fault: Fault, count?: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LD_PRELOAD: faults,
    KVD_FAULT_UNDER: fault.under,
    KVD_FAULT_AT: `${fault.at ?? 0}`,
    KVD_FAULT_ERRNO: fault.errno === undefined ? '0' : `${constants.errno[fault.errno]}`,
    KVD_FAULT_TORN: fault.torn === true ? '1' : '0',
    KVD_FAULT_DELAY: `${fault.delay ?? 0}`,
    ...(count !== undefined && { KVD_FAULT_COUNT: count }),
  };
}

/** Runs `node …args` under a fault. */
export function runWithFault(args: readonly string[], fault: Fault, cwd?: string): FaultyRun {
  const count = join(mkdtempSync(join(tmpdir(), 'kvd-count-')), 'count');
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: faultEnvironment(fault, count),
    ...(cwd !== undefined && { cwd }),
  });
  let calls = 0;
  try {
    calls = Number(readFileSync(count, 'utf8'));
  } catch {
    // Killed before it could count.
  }
  return { status, signal, stdout, stderr, calls };
}
