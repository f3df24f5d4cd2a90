/**
 * Commands that are killed at random moments, and between any two system calls that write, then run again: what they
 * leave equals what an undisturbed run leaves. KVD_STRESS=N kills each of them N times (`npm run stress`); else a few.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/base/hash.js';
import { diagnoseDatabase } from '../../src/store/health.js';
import { Store } from '../../src/store/store.js';
import { endBy, type Ending } from '../helpers/ending.js';
import { faultEnvironment, faults, type Fault } from '../helpers/faults.js';
import { startHub, type StandInHub } from '../helpers/hub.js';
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
  /** Whether a file has its last content from when it has its name, so that a killed command leaves only such. */
  writesOnce?: boolean;
  /** What it needs in its folder. @returns its environment */
  prepare?(folder: string): NodeJS.ProcessEnv;
}

const sets = (...values: string[]): string[] => values.flatMap((value) => ['--set', value]);
const tiny = sets(
  ...['training.max_steps=6', 'training.eval_steps=3', 'training.save_steps=2', 'training.eval_limit=4'],
  ...['training.micro_batch_size=2', 'evaluation.limit=4', 'evaluation.max_new_tokens=8'],
);
const experiment = resolve('experiments/nano/table2-quick.yaml');

let hub: StandInHub;
beforeAll(async () => {
  const shipped = resolve('models/nano/llama-small');
  const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(shipped, name))]));
  hub = await startHub({ 'org/small': { files } });
});
afterAll(() => hub.close());

const sideBySide: Command = {
  name: 'reproduce --jobs 2',
  args: ['reproduce', 'table2', '--scale', 'nano', '--quick', '--jobs', '2', ...tiny],
  short: 0,
  hasHelpers: true,
};
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
  {
    name: 'models pull',
    args: ['models', 'pull', 'org/small'],
    short: 2,
    writesOnce: true,
    prepare: (folder) => ({ ...process.env, ...hub.env(join(folder, 'hub')) }),
  },
  {
    name: 'compress',
    args: ['compress', resolve('datasets/nano-report.txt'), '--fold-tokens', '256', '-o', 'c.safetensors'],
    short: 1,
    writesOnce: true,
  },
  { name: 'reproduce', args: ['reproduce', 'table2', '--scale', 'nano', '--quick', ...tiny], short: 0 },
  sideBySide,
];

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms).unref());

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  ms: number;
}

function launch(command: Command, folder: string, env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, [kvd, ...command.args], {
    cwd: folder,
    env: { ...env, NO_COLOR: '1', CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

/** Starts a command, killed once `death` has come; it has ended when all processes that it started have. */
function start(
  command: Command,
  folder: string,
  env: NodeJS.ProcessEnv,
  death?: Promise<void>,
): Promise<Ended> {
  const started = performance.now();
  const child = launch(command, folder, env);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream!.on('data', (data: Buffer) => (output += data.toString()));
  void death?.then(() => child.kill('SIGKILL'));
  return new Promise((done) =>
    child.once('close', (code, signal) => done({ code, signal, output, ms: performance.now() - started })),
  );
}

/** Whatever of a stored row is the same each time: not ids, clocks and seconds. */
function steady(record: object): string {
  const drop = /(_at|^at|^id|seconds|per_second|path|git_commit)$/;
  return JSON.stringify(record, (key, value: unknown) => (drop.test(key) ? undefined : value));
}

/** Files that are no database, lock, log or unfinished write: paths and hashes, or where links lead. */
function filesIn(folder: string): Record<string, string> {
  const skip = /sqlite|\.lock|\/lock$|\.tmp$|^log$|\.npm|README\.md$/;
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !skip.test(name))
    .map((name): [string, string] => {
      const path = join(folder, name);
      return [name, lstatSync(path).isSymbolicLink() ? readlinkSync(path) : sha256(readFileSync(path))];
    });
  return Object.fromEntries(entries);
}

/** All that a command left: rows of the database, in any order, and files. */
function leftBy(folder: string): { rows: string[]; files: Record<string, string> } {
  const database = join(folder, 'runs', 'kvd.sqlite');
  const rows: string[] = [];
  if (existsSync(database)) {
    expect(diagnoseDatabase(database).problems).toEqual([]);
    const store = Store.open(database);
    store.withRecords(undefined, (records) => {
      for (const record of records) {
        if ('metric' in record && record.metric.name === 'tokens_per_second') continue;
        // A reproduction's configuration names the ids of its runs.
        const { run } = { run: undefined, ...record };
        const named = run?.kind === 'reproduce' ? { run: { ...run, config: '', config_hash: '' } } : record;
        rows.push(steady(named));
      }
    });
    store.close();
  }
  return { rows: rows.sort(), files: filesIn(folder) };
}

function prepared(command: Command): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), `kvd-crash-${command.name.replaceAll(' ', '-')}-`));
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
      const count = `${calm.folder}.count`;
      const env = { ...calm.env, ...faultVariables({ under: calm.folder }, count) };
      const whole = await start(command, calm.folder, env);
      expect(whole, whole.output).toMatchObject({ code: 0 });
      const wanted = leftBy(calm.folder);
      // A line of each process.
      const calls = Math.max(...readFileSync(count, 'utf8').trim().split('\n').map(Number));
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
          const after = kind === 2 ? pause(draw() * whole.ms) : undefined;
          const ended = await start(command, folder, { ...env, ...faultVariables(fault) }, after);
          if (ended.code === 0) break;
          if (command.hasHelpers !== true) expect(ended, ended.output).toMatchObject({ signal: 'SIGKILL' });
          expect(ended.output).not.toMatch(/\n\s+at /);
          if (command.writesOnce === true) {
            const named = Object.entries(filesIn(folder)).filter(([name]) => !name.endsWith('.incomplete'));
            expect(wanted.files).toMatchObject(Object.fromEntries(named));
          }
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

/** What an interrupted command may still compute, in seconds of its own processor time. */
const PROCESSOR_SECONDS = 2;

describe.skipIf(!long || faults === undefined)('interrupted and run again (long form)', () => {
  for (const command of commands) {
    it(`kvd ${command.name} ends in time, and leaves what an undisturbed run leaves`, async () => {
      const calm = prepared(command);
      const whole = await start(command, calm.folder, calm.env);
      expect(whole, whole.output).toMatchObject({ code: 0 });
      const wanted = leftBy(calm.folder);
      const draw = draws(43);
      const endings: Ending[] = [];
      for (let i = 0; endings.length < kills!; i++) {
        const { folder, env } = prepared(command);
        const signal = i % 2 === 0 ? 'SIGINT' : 'SIGTERM';
        const child = launch(command, folder, env);
        await pause(draw() * whole.ms);
        if (child.exitCode === null) {
          const ending = await endBy(child, [signal]);
          if (ending.code !== 0) {
            expect([130, signal]).toContain(ending.code ?? ending.signal);
            endings.push(ending);
          }
          if (command.hasHelpers !== true) expect(ending.processorSeconds).toBeLessThan(PROCESSOR_SECONDS);
        }
        const last = await start(command, folder, env);
        expect(last, last.output).toMatchObject({ code: 0 });
        expect(leftBy(folder)).toEqual(wanted);
        rmSync(folder, { recursive: true });
      }
      const most = (of: keyof Ending): string =>
        Math.max(...endings.map((ending) => Number(ending[of]))).toFixed(2);
      process.stderr.write(
        `kvd ${command.name}: ${endings.length} interruptions; the end after at most ${most('seconds')} s, ` +
          `${most('processorSeconds')} s of processor time\n`,
      );
    });
  }
});

it('kvd reproduce --jobs 2: children whose parent is killed save and end; run again, it goes on from there', async () => {
  const { folder, env } = prepared(sideBySide);
  const saved = async (): Promise<void> => {
    while (!Object.keys(filesIn(folder)).some((name) => name.endsWith('state.safetensors'))) await pause(50);
  };
  const killed = await start(sideBySide, folder, env, saved());
  expect(killed, killed.output).toMatchObject({ signal: 'SIGKILL' });
  expect(killed.output).toContain('Saving');
  expect(killed.output).not.toMatch(/\n\s+at /);
  const look = <T>(read: (store: Store) => T): T => {
    const store = Store.open(join(folder, 'runs', 'kvd.sqlite'), { readonly: true });
    const seen = read(store);
    store.close();
    return seen;
  };
  expect(look((store) => store.listRuns().map(({ status }) => status))).not.toContain('running');
  const again = await start(sideBySide, folder, env);
  expect(again, again.output).toMatchObject({ code: 0 });
  expect(again.output).toContain('adapter resumed');
  // kvd and h2i and h2a at two ratios, the whole cache, dodo and icae at one; four questions each.
  expect(look((store) => store.cellSummaries().map(({ n }) => n))).toEqual(Array(9).fill(4));
});

/** The variables of a fault alone. */
function faultVariables(fault: Fault, count?: string): NodeJS.ProcessEnv {
  const all = faultEnvironment(fault, count);
  return Object.fromEntries(Object.entries(all).filter(([name]) => /^(LD_PRELOAD|KVD_FAULT)/.test(name)));
}
