import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Demo } from '../../src/workflows/demo.js';

function demo(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [resolve('bin/run.js'), 'demo', ...args], { encoding: 'utf8' });
}

describe('kvd demo, with what the repository ships', () => {
  it('answers right from a fifth of the rows of a document of over 1,000 tokens', () => {
    const { status, stdout } = demo('--json');
    expect(status).toBe(0);
    const { references, answers } = JSON.parse(stdout) as Demo;
    const [whole, compressed] = answers as [Demo['answers'][0], Demo['answers'][0]];
    expect(whole.rows).toBeGreaterThan(1000);
    expect(compressed.rows).toBe(Math.round(whole.rows / 5));
    expect(compressed.bytes / compressed.rows).toBe(whole.bytes / whole.rows);
    expect([whole.output, compressed.output]).toEqual([references[0], references[0]]);
  });

  it('refuses a ratio that is none', () => {
    const { status, stderr } = demo('--retention', '2');
    expect(status).toBe(2);
    expect(stderr).toContain('above 0 and at most 1');
  });
});
