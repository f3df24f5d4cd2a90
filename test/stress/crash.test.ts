/**
 * Commands that are killed at random moments, and between any two system calls that write, then run again: what they
 * leave equals what an undisturbed run leaves. KVD_STRESS=N kills each of them N times (`npm run stress`); else a few.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/base/hash.js';
import { diagnoseDatabase } from '../../src/store/health.js';
import { Store } from '../../src/store/store.js';
import { faultEnvironment, faults, type Fault } from '../helpers/faults.js';
import { setupStandIns } from '../helpers/setup.js';

const kvd = resolve('bin/run.js');
const kills = process.env.KVD_STRESS === undefined ? undefined : Number(process.env.KVD_STRESS);
const long = kills !== undefined;

interface Command {
  name: string;
  args: readonly string[];
  /** Kills in the short form; 0 leaves it to the long form. */
  short: number;
  /** Whether processes that it starts write too: when one of them is killed it ends with an error of its own. */
  hasHelpers?: boolean;
  /** What it needs in its folder. @returns its environment */
  prepare?(folder: string): NodeJS.ProcessEnv;
}

const sets = (...values: string[]): string[] => values.flatMap((value) => ['--set', value]);
const tiny = sets(
  ...['training.max_steps=6', 'training.eval_steps=3', 'training.save_steps=2', 'training.eval_limit=4'],
  ...['training.micro_batch_size=2', 'evaluation.limit=4', 'evaluation.max_new_tokens=8'],
);
const experiment = resolve('experiments/nano/table2-quick.yaml');

const commands: Command[] = [
  {
    name: 'train',
    args: ['train', experiment, ...tiny],
    short: 1,
  },
  {
    name: 'eval',
    args: [
      ...['eval', '--task', 'nano-qa', '--method', 'full', '--method', 'h2i'],
      ...['--retention', '0.5', '--limit', '120'],
    ],
    short: 1,
  },
  { name: 'setup', args: ['setup'], short: 2, hasHelpers: true, prepare: setupStandIns },
  { name: 'reproduce', args: ['reproduce', 'table2', '--scale', 'nano', '--quick', ...tiny], short: 0 },
];

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  ms: number;
}

function start(
  command: Command,
  folder: string,
  env: NodeJS.ProcessEnv,
  killAfterMs?: number,
): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [kvd, ...command.args], {
    cwd: folder,
    env: { ...env, NO_COLOR: '1', CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (output += data.toString()));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  return new Promise((done) =>
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, output, ms: performance.now() - started });
    }),
  );
}

/** Whatever of a stored row is the same each time: not ids, clocks and seconds. */
function steady(record: object): unknown {
  const drop = /(_at|^at|^id|seconds|per_second|path)$/;
  return JSON.parse(JSON.stringify(record), (key, value: unknown) =>
    drop.test(key) ? undefined : value,
  ) as unknown;
}

/** All that a command left: rows of the database, and hashes of files that are no database, lock or log. */
function leftBy(folder: string): unknown {
  const database = join(folder, 'runs', 'kvd.sqlite');
  const rows: unknown[] = [];
  if (existsSync(database)) {
    expect(diagnoseDatabase(database).problems).toEqual([]);
    const store = Store.open(database);
    store.withRecords(undefined, (records) => {
      for (const record of records) {
        if (!('metric' in record && record.metric.name === 'tokens_per_second')) rows.push(steady(record));
      }
    });
    store.close();
  }
  const skip = /sqlite|\.lock|\/lock$|\.tmp$|^log$|\.npm|README\.md$/;
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !skip.test(name))
    .sort()
    .map((name) => [name, sha256(readFileSync(join(folder, name)))]);
  return { rows, files };
}

function prepared(command: Command): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), `kvd-crash-${command.name}-`));
  return { folder, env: command.prepare?.(folder) ?? process.env };
}

/** Deterministic draws in [0, 1), the same in every session. */
function draws(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

describe.skipIf(faults === undefined)('killed and run again (skipped without Linux and a C compiler)', () => {
  for (const command of commands.filter(({ short }) => long || short > 0)) {
    it(`kvd ${command.name} leaves what an undisturbed run leaves`, async () => {
      const calm = prepared(command);
      const count = join(calm.folder, 'log');
      const env = { ...calm.env, ...faultVariables({ under: calm.folder }, count) };
      const whole = await start(command, calm.folder, env);
      expect(whole, whole.output).toMatchObject({ code: 0 });
      const wanted = leftBy(calm.folder);
      const calls = Number(readFileSync(count, 'utf8'));
      expect(calls).toBeGreaterThan(10);
      const draw = draws(42);
      let survived = 0;
      for (let i = 0; survived < (kills ?? command.short); i++) {
        const { folder, env } = prepared(command);
        // By turns: before a writing call, in the middle of one, at a random moment; two thirds are killed once more.
        for (let round = 0; round < 3; round++) {
          const kind = (i + round) % 3;
          const at = 1 + Math.floor(draw() * calls);
          const fault = kind === 2 ? { under: folder } : { under: folder, at, torn: kind === 1 };
          const after = kind === 2 ? draw() * whole.ms : undefined;
          const ended = await start(command, folder, { ...env, ...faultVariables(fault) }, after);
          if (ended.code === 0) break;
          if (command.hasHelpers !== true) expect(ended, ended.output).toMatchObject({ signal: 'SIGKILL' });
          survived++;
          if (!long) break;
        }
        const last = await start(command, folder, env);
        expect(last, last.output).toMatchObject({ code: 0 });
        expect(leftBy(folder)).toEqual(wanted);
        rmSync(folder, { recursive: true });
      }
      if (long)
        process.stderr.write(`kvd ${command.name}: ${survived} kills survived, of ${calls} writing calls\n`);
    });
  }
});

/** The variables of a fault alone. */
function faultVariables(fault: Fault, count?: string): NodeJS.ProcessEnv {
  const all = faultEnvironment(fault, count);
  return Object.fromEntries(Object.entries(all).filter(([name]) => /^(LD_PRELOAD|KVD_FAULT)/.test(name)));
}
