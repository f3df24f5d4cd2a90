/** The models that ship: what they read, and what they answered when results/nano was made. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  contextIds,
  evaluate,
  keptRows,
  loadDecoder,
  loadTokenizer,
  methods,
  startEngine,
  tasks,
} from '../../../src/index.js';
import { take } from '../../../src/base/iterate.js';

test.each(readdirSync('models/nano', { withFileTypes: true }).filter((entry) => entry.isDirectory()))(
  '$name reads a context behind the beginning of sequence, as in its pre-training',
  ({ name }) => {
    const tokenizer = loadTokenizer(`models/nano/${name}`);
    const ids = contextIds(tokenizer, 'The color of Yusuf Silva is amber.');
    expect(ids[0]).toBe(tokenizer.bosId);
    expect(ids.filter((id) => id === tokenizer.bosId)).toHaveLength(1);
  },
);

/** Answers to the first 90 test questions as stored for Table 2 on 2026-11-25 (commit cc655c2). */
const stored = JSON.parse(readFileSync('test/golden/nano/table2-llama-small.json', 'utf8')) as Record<
  string,
  string[]
>;

test.each([
  ['full', 1, {}],
  ['h2i', 0.2, { n_sink: 1 }],
] as const)(
  'llama-small with %s at %d answers as it did, but for what rounding moves',
  async (name, ratio, options) => {
    await startEngine();
    const model = loadDecoder('models/nano/llama-small');
    const tokenizer = loadTokenizer('models/nano/llama-small');
    const task = tasks.get('nano-qa');
    const method = methods.get(name);
    const request = {
      ...{ model, tokenizer, task, method, batchSize: 24, maxNewTokens: task.maxNewTokens, intrinsic: false },
      methodOptions: method.options.parse(options),
      keptRows: (length: number) => keptRows(ratio, length),
    };
    const samples = take(task.samples(task.options.parse({}), 'test'), 90);
    const outputs: string[] = [];
    for await (const { output } of evaluate(request, samples)) outputs.push(output);
    model.dispose();
    expect(outputs).toHaveLength(90);
    const moved = outputs.filter((output, i) => output !== stored[name]![i]);
    expect(moved.length).toBeLessThanOrEqual(3);
  },
);
