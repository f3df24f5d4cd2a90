import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyKvd, verifyModel } from '../../../src/workflows/verify.js';
import { golden, goldenModels } from '../../helpers/golden.js';

describe('models against Transformers 5.23 (float32, 1e-4)', () => {
  it.each(goldenModels)('%s: logits, hidden states, caches, greedy tokens', async (name) => {
    const checks = await verifyModel(golden(name));
    expect(checks.length).toBeGreaterThanOrEqual(2);
    expect(checks.filter((check) => !check.passed)).toEqual([]);
  });

  it.each(goldenModels)('%s: the transformers-4 spelling of config.json gives the same', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    cpSync(golden(name), folder, { recursive: true });
    cpSync(join(folder, 'config.v4.json'), join(folder, 'config.json'));
    expect((await verifyModel(folder)).every((check) => check.passed)).toBe(true);
  });

  it('notices weights that differ', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    cpSync(golden('llama4-tied'), folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 400) + 0.5, bytes.length - 400);
    writeFileSync(path, bytes);
    expect((await verifyModel(folder)).some((check) => !check.passed)).toBe(true);
  });
});

describe('one KV-Distill step against a second implementation', () => {
  it.each([
    ['as it is', {}],
    ['layer by layer and in pieces', { checkpointLayers: true, logitBlock: 2240, attentionBlock: 40_000 }],
  ])('scores, selection, logits, divergences, loss and every gradient agree, %s', async (_, ways) => {
    const checks = await verifyKvd(golden('kvd'), ways);
    expect(checks.filter((check) => !check.passed)).toEqual([]);
    // The smallest of these gradients peak at 8e-4: the general tolerance would say little.
    const gradients = checks.filter((check) => check.name.includes('.grad.'));
    expect(gradients.length).toBe(34);
    expect(Math.max(...gradients.map((check) => check.difference))).toBeLessThan(5e-6);
  });
});
