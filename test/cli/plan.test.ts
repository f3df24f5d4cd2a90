/** `kvd plan` as a user types it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { DryRun } from '../../src/workflows/dry-run.js';
import type { Plan } from '../../src/workflows/plan.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-plan-'));
writeFileSync(
  join(folder, 'x.yaml'),
  `name: x
model: { name_or_path: llama-small }
method: { eta: 2, lora_r: 8 }
training: { max_steps: 9, max_context_tokens: 200, micro_batch_size: 8 }
evaluation: { task: nano-qa, methods: [full, kvd, h2i], retention: [0.5, 0.2] }
`,
);

function plan(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = [resolve('bin/run.js'), 'plan', 'x.yaml', ...args];
  const env = { ...process.env, NO_COLOR: '1', CI: 'true' };
  return spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8', env });
}

it('a named GPU: what fits, and with which settings the rest would', () => {
  const fits = plan('--gpu', 'T4-16GB');
  expect(fits.stderr).toBe('');
  expect(fits.stdout).toMatch(/^x: llama-small on T4-16GB \(15\.81 GB for tensors\)$/m);
  expect(fits.stdout).toMatch(/at most .* a step, 9 steps/);
  expect(fits.stdout).toMatch(/kvd at 20 %: .* a batch/);
  expect(fits.stdout).toContain('It fits.');
  expect(fits.status).toBe(0);

  const large = ['--gpu', 'T4-16GB', '--set', 'training.micro_batch_size=4096'];
  const refused = plan(...large);
  expect(refused.status).toBe(2);
  const remedy = /It does not fit\. It fits with (--set .*)\.$/m.exec(refused.stdout)![1]!;
  expect(remedy).toContain(
    '--set training.micro_batch_size=1 --set training.gradient_accumulation_steps=4096',
  );
  expect(plan(...large, ...remedy.split(' ')).stdout).toContain('It fits.');
});

it('a GPU that nobody knows is refused with the names of those known', () => {
  const { status, stderr } = plan('--gpu', 'A100-80G');
  expect(stderr).toMatch(/no GPU "A100-80G" \(did you mean "A100-80GB"\?\)[^]*Known: .*H100-80GB/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(status).toBe(2);
});

it('this machine, as measured, with the first steps and batches', () => {
  const { status, stdout, stderr } = plan('--dry-run', '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const [found] = JSON.parse(stdout) as (Plan & { dryRun: DryRun })[];
  expect(found!.device).toBe('this machine');
  expect(found!.training!.stepSeconds).toBeGreaterThan(0);
  expect(found!.dryRun.tokenizer).toBe('own');
  expect(found!.dryRun.losses).toHaveLength(2);
  expect(found!.dryRun.batches.map(({ method, budget }) => `${method} at ${budget}`)).toEqual([
    'kvd at 20 %',
    'full at 100 %',
    'kvd at 20 %',
    'h2i at 20 %',
  ]);
});
