/** What every method's compressed context must hold to once it is a file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { compressDocuments, type Compressor } from '../../src/contexts/compress.js';
import { disposeContext } from '../../src/contexts/context.js';
import { saveContext } from '../../src/contexts/file.js';
import { methods } from '../../src/methods/index.js';
import { makeBatch } from '../../src/models/batch.js';
import { questionIds } from '../../src/models/prompt.js';
import { loadModel } from '../../src/workflows/session.js';
import { expectClose } from '../helpers/closeness.js';
import { document, questions } from '../helpers/contexts.js';

/** Loads contexts and prints the logits behind them. */
const READER = `
const [root, prompt, ...paths] = JSON.parse(process.argv[1]);
const { loadCache, loadModel } = await import(root + '/dist/index.js');
const { makeBatch } = await import(root + '/dist/models/batch.js');
const model = await loadModel(root + '/models/nano/llama-small');
console.log(JSON.stringify(paths.map((path) => {
  const { cache } = loadCache(path, model);
  const { hidden } = model.model.forward(makeBatch([prompt], { starts: cache.nextPositions }), { past: cache });
  return Array.from(model.model.logits(hidden).dataSync());
})));
`;

it('is read by another process as every method left it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const model = await loadModel('llama-small');
  const prompt = questionIds(model.tokenizer, questions[0]!);
  const ours: number[][] = [];
  const paths: string[] = [];
  for (const method of methods.list()) {
    const { trainable } = method;
    const small = { max_slots: 40, lora_r: 2, eta: 2 };
    const shape = Object.entries(small).filter(([name]) => name in method.options.shape);
    const compressor: Compressor = {
      method,
      question: questions[0]!,
      ...(trainable && {
        adapter: {
          adapter: trainable.fresh(model.model.config, Object.fromEntries(shape), 1),
          hash: 'a'.repeat(64),
        },
      }),
    };
    const retention = 0.4;
    const context = await compressDocuments(model, [{ text: document }], {
      ...compressor,
      retention,
      foldTokens: 15,
    });
    paths.push(join(folder, `${method.name}.safetensors`));
    saveContext(paths.at(-1)!, context);
    const { cache } = context;
    const logits = tf.tidy(() => {
      const { hidden } = model.model.forward(makeBatch([prompt], { starts: cache.nextPositions }), {
        past: cache,
      });
      return Array.from(model.model.logits(hidden).dataSync());
    });
    ours.push(logits);
    disposeContext(context);
  }
  expect(new Set(ours.map(String)).size).toBeGreaterThan(methods.list().length / 2);
  const given = JSON.stringify([resolve('.'), prompt, ...paths]);
  const read = execFileSync(process.execPath, ['--input-type=module', '-e', READER, given], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const theirs = JSON.parse(read) as number[][];
  methods.names().forEach((name, i) => expectClose(theirs[i]!, ours[i]!, 1e-6, name));
});
