/** `kvd compress` and `kvd ask` as a user types them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { datasets } from '../../src/data/index.js';
import type { Asked } from '../../src/workflows/ask.js';
import type { Compressed } from '../../src/workflows/compress.js';

const report = resolve('datasets/nano-report.txt');
const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
const { context, questions } = datasets.get('nano-long').open({}, 'test').get(0);

function kvd(args: string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [resolve('bin/run.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    input,
    env: { ...process.env, NO_COLOR: '1', CI: 'true' },
  });
}

describe('a shipped document, compressed to a fifth', () => {
  let compressed: Compressed;

  beforeAll(() => {
    const given = [
      '--retention',
      '0.2',
      '--fold-tokens',
      '600',
      '--no-text',
      '-o',
      'r.safetensors',
      '--json',
    ];
    const { status, stdout, stderr } = kvd(['compress', report, ...given]);
    expect(status, stderr).toBe(0);
    compressed = JSON.parse(stdout) as Compressed;
  });

  it('is the document of the generated dataset', () => {
    expect(readFileSync(report, 'utf8')).toBe(`${context}\n`);
  });

  it('is a fifth of the size, file included', () => {
    const { rows, tokens, bytes, uncompressedBytes, fileBytes } = compressed;
    expect(rows).toBe(Math.round(tokens / 5));
    expect(bytes / uncompressedBytes).toBeCloseTo(rows / tokens, 12);
    expect(fileBytes).toBeLessThan(1.02 * bytes);
  });

  it('answers right, streamed in a question a line, as the uncompressed model does where the document is named', () => {
    const [first, second] = questions;
    const input = `${first!.question}\n\n${second!.question}\n`;
    const asked = kvd(['ask', 'r.safetensors', '--compare', '--document', report, '--json'], input);
    expect(asked.status, asked.stderr).toBe(0);
    const { answers } = JSON.parse(asked.stdout) as Asked;
    expect(answers.map(({ answer }) => answer)).toEqual([first!.answers[0], second!.answers[0]]);
    expect(answers.map(({ uncompressed }) => uncompressed!.answer)).toEqual([
      first!.answers[0],
      second!.answers[0],
    ]);
  });

  it('says what it lacks, and what to do', () => {
    const { status, stderr } = kvd(['ask', 'r.safetensors', '--explain']);
    expect(stderr).toMatch(/does not hold its text\n.*--document/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
  });
});
