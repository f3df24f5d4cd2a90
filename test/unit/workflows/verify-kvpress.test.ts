/**
 * Every method against kvpress 0.5.5 (test/golden/make/fixtures_kvpress.py and fixtures_kvpress_more.py): 256 tokens of
 * context, 12 after.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { methods } from '../../../src/methods/index.js';
import { renderPressChecks, verifyKvpress } from '../../../src/workflows/verify-kvpress.js';
import { golden } from '../../helpers/golden.js';

const folders = ['kvpress', 'kvpress-more'].flatMap((kind) =>
  ['llama8', 'qwen3'].map((model) => ({ kind, model })),
);
const all = folders.map(({ kind, model }) => ({
  kind,
  model,
  checks: verifyKvpress(golden(model), golden(`${kind}/${model}`)),
}));

/** Files of which the reference itself says that its selection is defined. */
function defined(kind: string, model: string): Set<string> {
  const info = JSON.parse(readFileSync(golden(`${kind}/info.json`), 'utf8')) as Record<
    string,
    Record<string, { selection_defined?: boolean }>
  >;
  return new Set(
    Object.entries(info[model]!).flatMap(([name, entry]) => (entry.selection_defined ? [name] : [])),
  );
}

describe.each(all)('$kind on $model', ({ kind, model, checks }) => {
  it('keeps the same rows by the same scores, and speaks the same from them', async () => {
    const wanted = defined(kind, model);
    expect((await checks).filter(({ passed }) => !passed)).toEqual([]);
    for (const check of await checks) {
      if (!wanted.has(check.name)) continue;
      expect([check.name, check.kept?.different]).toEqual([check.name, 0]);
      // Of a question-aware press the reference keeps rows of the question, too.
      if (/^finch/.test(check.name)) continue;
      expect([check.name, check.greedy]).toEqual([check.name, true]);
      expect(check.logits).toBeLessThan(1e-4);
    }
  });

  it('leaves no file of the reference aside', async () => {
    expect((await checks).filter(({ method }) => method === undefined)).toEqual([]);
  });
});

it('leaves no method that kvpress has without a reference whose selection is defined', async () => {
  const presses = methods.list().filter(({ kvpress }) => kvpress !== undefined);
  const named = new Set<string | undefined>();
  for (const { kind, model, checks } of all) {
    const wanted = defined(kind, model);
    for (const { name, method } of await checks) if (wanted.has(name)) named.add(method);
  }
  expect(presses.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
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
