import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  truncateSync,
  cpSync,
  writeFileSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { golden } from '../helpers/golden.js';

const bin = resolve('bin/run.js');
const folder = mkdtempSync(join(tmpdir(), 'kvd-'));

function kvd(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', CI: 'true' },
  });
  return { status, stdout, stderr };
}

describe('what a user types', () => {
  it('--help lists the commands', () => {
    const { status, stdout } = kvd('--help');
    expect(status).toBe(0);
    for (const command of ['train', 'eval', 'report', 'reproduce', 'setup', 'doctor'])
      expect(stdout).toContain(command);
  });

  it('every command has a summary and an example', () => {
    for (const command of [
      'train',
      'eval',
      'pretrain',
      'report',
      'reproduce',
      'validate',
      'init',
      'data',
      'runs list',
      'methods verify',
      'models verify',
    ]) {
      const { stdout, status } = kvd(...command.split(' '), '--help');
      expect(status, command).toBe(0);
      expect(stdout, command).toContain('EXAMPLES');
    }
  });

  it('an experiment from init to report, twice, with everything stored', () => {
    expect(kvd('init', 'e.yaml').status).toBe(0);
    expect(kvd('init', 'e.yaml').status).toBe(2);
    const sets = [
      'training.max_steps=4',
      'training.eval_steps=4',
      'training.eval_limit=10',
      'evaluation.limit=20',
      'training.micro_batch_size=4',
    ];
    const args = ['e.yaml', ...sets.flatMap((set) => ['--set', set])];
    const trained = kvd('train', ...args);
    expect(trained.stderr).not.toMatch(/I0000|oneDNN|Error/);
    expect(trained.status).toBe(0);
    expect(trained.stdout).toContain('trained, 4 steps');
    expect(kvd('train', ...args).stdout).toContain('already trained');
    const evaluated = JSON.parse(kvd('eval', ...args, '--json').stdout) as {
      cells: {
        method: string;
        n: number;
        keptTokens: number;
        contextTokens: number;
        bytesAfter: number;
        bytesBefore: number;
      }[];
    };
    expect(evaluated.cells.map(({ method }) => method)).toEqual([
      'full',
      'kvd',
      'kvd',
      'h2a',
      'h2a',
      'h2i',
      'h2i',
    ]);
    for (const cell of evaluated.cells) {
      expect(cell.n).toBe(20);
      expect(cell.bytesAfter / cell.bytesBefore).toBeCloseTo(cell.keptTokens / cell.contextTokens, 6);
    }
    expect(kvd('report', '--table', 'comparison', '--format', 'csv').stdout.trim().split('\n').length).toBe(
      8,
    );
    const runs = JSON.parse(kvd('runs', 'list', '--json').stdout) as {
      id: string;
      kind: string;
      status: string;
    }[];
    expect(runs.map(({ kind, status }) => `${kind} ${status}`)).toEqual(['eval finished', 'train finished']);
    const shown = kvd('runs', 'show', runs[0]!.id);
    expect(shown.stdout).toContain('"lora_r": 16');
    const compared = kvd('runs', 'compare', runs[0]!.id, runs[0]!.id, '--json');
    expect(
      (JSON.parse(compared.stdout) as { comparisons: { metrics: { p: number }[] }[] }).comparisons[0]!
        .metrics[0]!.p,
    ).toBe(1);
    expect(kvd('runs', 'delete', runs[0]!.id).status).toBe(1);
    expect(kvd('runs', 'delete', runs[0]!.id, '--yes').status).toBe(0);
    expect((JSON.parse(kvd('runs', 'list', '--json').stdout) as unknown[]).length).toBe(1);
    expect(existsSync(join(folder, 'runs', 'kvd.sqlite'))).toBe(true);
  });

  it('kvd with the adapter that ships with a model, without training', () => {
    const given = ['--method', 'full', '--method', 'kvd', '--retention', '0.2', '--limit', '60'];
    const { status, stdout } = kvd('eval', '--task', 'nano-qa', ...given, '--db', 'shipped.sqlite', '--json');
    expect(status).toBe(0);
    const { cells } = JSON.parse(stdout) as { cells: { metrics: Record<string, number> }[] };
    expect(cells).toHaveLength(2);
    for (const { metrics } of cells) expect(metrics.accuracy).toBeGreaterThan(0.85);
  });

  it('real text to the end, where real data lies beside the project', () => {
    const real = resolve('../shared/data/squad/dev-v1.1-part.json');
    const data = existsSync(real) ? real : join(folder, 'squad.json');
    if (data !== real) {
      const qas = [{ id: 'q', question: 'What is 1?', answers: [{ text: 'one', answer_start: 0 }] }];
      writeFileSync(
        data,
        JSON.stringify({
          version: '1.1',
          data: [{ title: 't', paragraphs: [{ context: 'one is 1.', qas }] }],
        }),
      );
    }
    const { status, stdout } = kvd(
      'eval',
      '--task',
      'squad',
      '--data',
      data,
      '--limit',
      '3',
      '--retention',
      '0.5',
      '--method',
      'full',
      '--method',
      'h2i',
      '--json',
    );
    expect(status).toBe(0);
    const { cells } = JSON.parse(stdout) as { cells: { metrics: Record<string, number> }[] };
    expect(cells[0]!.metrics.kl).toBeCloseTo(0, 4);
    expect(cells[1]!.metrics.kl).toBeGreaterThan(0);
    expect(cells[1]!.metrics.nll).toBeGreaterThan(0);
  });
});

describe('bad input gets a clear error, an exit code of 2, and no stack', () => {
  const damaged = join(folder, 'damaged');
  cpSync('models/nano/llama-small', damaged, { recursive: true });
  truncateSync(join(damaged, 'model.safetensors'), 100_000);
  const wrong = join(folder, 'wrong');
  cpSync('models/nano/llama-small', wrong, { recursive: true });
  const config = JSON.parse(readFileSync(join(wrong, 'config.json'), 'utf8')) as object;
  writeFileSync(join(wrong, 'config.json'), JSON.stringify({ ...config, intermediate_size: 100 }));
  const text = join(folder, 'text.sqlite');
  writeFileSync(text, 'no database '.repeat(1000));
  mkdirSync(join(folder, 'taken.sqlite'));

  it.each([
    ['a missing file', ['train', 'none.yaml'], /none\.yaml: no such file/],
    ['a file behind an override', ['train', '--set', 'seed=2', 'none.yaml'], /none\.yaml: no such file/],
    ['an unknown model', ['eval', '--task', 'nano-qa', '--model', 'nope'], /no model "nope"/],
    ['an unknown task', ['eval', '--task', 'nano-qq'], /did you mean "nano-qa"/],
    ['an unknown method', ['eval', '--task', 'nano-qa', '--method', 'h3i'], /did you mean "h2i"/],
    [
      'a truncated model',
      ['eval', '--task', 'nano-qa', '--model', damaged, '--limit', '1'],
      /damaged.*model\.safetensors/s,
    ],
    ['wrong shapes', ['eval', '--task', 'nano-qa', '--model', wrong, '--limit', '1'], /config\.json wants/],
    [
      'no adapter',
      ['eval', '--task', 'nano-qa', '--method', 'kvd', '--adapter', 'none'],
      /no trained adapter/,
    ],
    ['a ratio over 1', ['eval', '--task', 'nano-qa', '--retention', '2'], /retention/],
    ['a folder without a reference', ['models', 'verify', golden('make')], /no reference/],
    ['an unknown dataset', ['data', 'nanno'], /Did you mean "nano"/],
    ['an unknown flag', ['train', '--nonsense'], /Nonexistent flag/],
    ['an unknown format', ['report', '--format', 'pdf'], /unknown format/],
  ])('%s', (_what, args, message) => {
    const { status, stderr } = kvd(...args, ...(args[0] === 'eval' ? ['--db', 'bad.sqlite'] : []));
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
  });

  it.each([
    ['a file that is no database', text],
    ['a folder', join(folder, 'taken.sqlite')],
  ])('%s as database', (_what, db) => {
    const { status, stderr } = kvd('runs', 'list', '--db', db);
    expect(stderr).toContain(db);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(1);
  });

  it('a full disk while a file is written leaves the old file', () => {
    // /dev/full refuses every write, as a full disk does.
    expect(() =>
      execFileSync(process.execPath, ['-e', "require('fs').writeFileSync('/dev/full','x')"], {
        stdio: 'pipe',
      }),
    ).toThrow(/ENOSPC/);
    const { status, stderr } = kvd('report', '--db', 'r.sqlite', '--output', '/dev/full/x');
    expect(status).not.toBe(0);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
