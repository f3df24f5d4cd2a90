/** Ctrl-C and a batch system's warning: the first gives up the computation, saves and stops; a second ends at once. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { Store } from '../../src/store/store.js';
import { endBy, type Ending } from '../helpers/ending.js';

/** What an interrupted command may still compute; on a machine that does nothing else this bounds the clock's seconds too. */
const PROCESSOR_SECONDS = 2;
/** By the clock, on a machine that others keep busy. */
const SECONDS = 20;

const bin = resolve('bin/run.js');
const env = { ...process.env, NO_COLOR: '1', CI: 'true' };
const sets = (...values: string[]): string[] => values.flatMap((value) => ['--set', value]);
const fresh = (): string => mkdtempSync(join(tmpdir(), 'kvd-signals-'));

/** A training of two long steps: each takes many times as long as it may take to end. */
const training = [
  ...['train', resolve('experiments/nano/table2-quick.yaml')],
  ...sets('training.max_steps=2', 'training.eval_limit=4', 'training.micro_batch_size=4'),
  ...sets('training.gradient_accumulation_steps=64', 'training.save_steps=100'),
];
/** Answers to whole reports, whose compression alone takes several times as long as it may take to end. */
const evaluation = [
  ...['eval', '--model', 'llama-long', '--task', 'nano-govreport', '--method', 'kvzip'],
  ...['--retention', '0.2', '--limit', '16'],
];

interface Interrupted extends Ending {
  output: string;
}

/** Starts a command, and sends signals `ms` after it has written `said`. */
async function interrupt(
  folder: string,
  args: readonly string[],
  said: string,
  ms: number,
  ...signals: NodeJS.Signals[]
): Promise<Interrupted> {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  await new Promise<void>((reached) => {
    child.once('exit', () => reached());
    child.stderr.on('data', (data: Buffer) => {
      output += data.toString();
      if (output.includes(said)) setTimeout(reached, ms);
    });
  });
  expect(child.exitCode, output).toBeNull();
  const ending = await endBy(child, signals);
  return { ...ending, output };
}

function statuses(folder: string): string[] {
  const store = Store.open(join(folder, 'runs/kvd.sqlite'), { readonly: true });
  const found = store.listRuns().map(({ status }) => status);
  store.close();
  return found;
}

function left(folder: string, file: string): Buffer | undefined {
  const [name] = readdirSync(join(folder, 'runs')).filter((entry) => entry.startsWith('train-'));
  const path = join(folder, 'runs', name ?? '', file);
  return existsSync(path) ? readFileSync(path) : undefined;
}

function expectInTime({ seconds, processorSeconds, output }: Interrupted): void {
  expect(processorSeconds, output).toBeLessThan(PROCESSOR_SECONDS);
  expect(seconds, output).toBeLessThan(SECONDS);
}

it('SIGTERM, SIGINT and SIGUSR1 in the middle of a step: a checkpoint, the way to go on; then the same adapter', async () => {
  const folder = fresh();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR1'] as const) {
    const ended = await interrupt(folder, training, 'Training', 1500, signal);
    expect(ended.code, ended.output).toBe(130);
    expect(ended.output).toContain('Go on with: kvd train');
    expectInTime(ended);
    expect(statuses(folder)).toEqual(['interrupted']);
    expect(left(folder, 'state.safetensors')).toBeDefined();
  }
  const calm = fresh();
  for (const each of [folder, calm])
    expect(spawnSync(process.execPath, [bin, ...training], { cwd: each, env }).status).toBe(0);
  const file = join('adapter', 'adapter_model.safetensors');
  expect(left(folder, file)!.equals(left(calm, file)!)).toBe(true);
});

it('SIGTERM while a batch is compressed: the end in time', async () => {
  const folder = fresh();
  const ended = await interrupt(folder, evaluation, 'Evaluating', 1500, 'SIGTERM');
  expect(ended.code, ended.output).toBe(130);
  expectInTime(ended);
  expect(statuses(folder)).toEqual(['interrupted']);
});

it('a second signal in the middle of a computation: the end at once', async () => {
  const ended = await interrupt(fresh(), training, 'Training', 1500, 'SIGTERM', 'SIGINT');
  expect(ended.signal, ended.output).not.toBeNull();
  expect(ended.output).not.toContain('Go on with');
  expectInTime(ended);
});

it('SIGTERM to `kvd reproduce --jobs 2`: its children save and end, and it says how to go on', async () => {
  const folder = fresh();
  const reproduce = ['reproduce', 'table2', '--scale', 'nano', '--quick', '--jobs', '2'];
  const ended = await interrupt(folder, reproduce, 'experiments, 2 at once', 4000, 'SIGTERM');
  expect(ended.code, ended.output).toBe(130);
  expect(ended.output).toContain('Go on with: kvd reproduce table2');
  expect(ended.seconds, ended.output).toBeLessThan(SECONDS);
  expect(statuses(folder)).not.toContain('running');
});

it('SIGTERM to `kvd compress`, which has nothing to save: the end at once, and nothing half-written', async () => {
  const folder = fresh();
  const compress = ['compress', resolve('datasets/nano-report.txt'), '-o', 'c.safetensors'];
  const ended = await interrupt(folder, compress, 'Compressing', 0, 'SIGTERM');
  expect(ended.signal, ended.output).toBe('SIGTERM');
  expectInTime(ended);
  expect(readdirSync(folder)).toEqual([]);
});
