/** Every method against kvpress 0.5.5 (test/golden/make/fixtures_kvpress.py): 256 tokens of context, 12 after. */
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { methods } from '../../../src/methods/index.js';
import { renderPressChecks, verifyKvpress, type PressCheck } from '../../../src/workflows/verify-kvpress.js';
import { golden } from '../../helpers/golden.js';

/** Files of whose rows the reference leaves the choice to chance. */
const LEFT_TO_CHANCE = ['pyramidkv_w64_b20.cr80', 'snapkv_w64.cr80'];

describe.each(['llama8', 'qwen3'])('on %s', (name) => {
  const checks: Promise<PressCheck[]> = verifyKvpress(golden(name), golden(`kvpress/${name}`));

  it('keeps the same rows by the same scores, and speaks the same from them', async () => {
    expect((await checks).filter(({ passed }) => !passed)).toEqual([]);
    for (const check of await checks) {
      if (LEFT_TO_CHANCE.includes(check.name)) continue;
      expect([check.name, check.kept?.different, check.greedy]).toEqual([check.name, 0, true]);
      expect(check.logits).toBeLessThan(1e-4);
    }
  });

  it('leaves no file of the reference aside, and no method that kvpress has', async () => {
    const done = await checks;
    expect(done.filter(({ method }) => method === undefined)).toEqual([]);
    const presses = methods.list().filter(({ kvpress }) => kvpress !== undefined);
    const named = new Set(done.map(({ method }) => method));
    expect(presses.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
  });
});

it('says what differs where the reference was made otherwise', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'kvd-')), 'llama8');
  mkdirSync(folder);
  for (const file of ['full', 'snapkv_w16.cr50', 'knorm.cr50']) {
    copyFileSync(golden(`kvpress/llama8/${file}.safetensors`), join(folder, `${file}.safetensors`));
  }
  const entry = {
    selection_defined: true,
    params: { compression_ratio: 0.5, window_size: 8, kernel_size: 5 },
  };
  const info = {
    'snapkv_w16.cr50': { class: 'SnapKVPress', ...entry },
    'knorm.cr50': { class: 'NoPress', ...entry },
  };
  writeFileSync(join(folder, 'info.json'), JSON.stringify(info));
  const checks = await verifyKvpress(golden('llama8'), folder);
  expect(checks.map(({ name, passed }) => [name, passed])).toEqual([
    ['knorm.cr50', true],
    ['snapkv_w16.cr50', false],
  ]);
  expect(checks[1]!.kept!.different).toBeGreaterThan(0);
  const text = renderPressChecks(checks);
  expect(text).toMatch(/^skip knorm.cr50 .*no method here is NoPress/m);
  expect(text).toMatch(/^FAIL snapkv_w16.cr50 /m);
  expect(text).toMatch(/^0 of 1 as the reference/m);
});

it('wants to know how files were made', async () => {
  await expect(verifyKvpress(golden('llama8'), golden('llama8'))).rejects.toMatchObject({
    code: 'no-reference',
  });
});
