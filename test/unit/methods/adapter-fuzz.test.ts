/** Damaged adapter folders give clear errors, no others, and leave no tensor behind. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { loadAdapterFolder } from '../../../src/contexts/adapter.js';
import { startEngine } from '../../../src/engine/index.js';
import { loadLora } from '../../../src/methods/peft.js';
import { readModelConfig } from '../../../src/models/config.js';
import { damage, refusals, runs, twist } from '../../helpers/fuzz.js';
import { golden } from '../../helpers/golden.js';

beforeAll(() => startEngine());

const nano = resolve('models/nano/llama-small');
const shapes = readModelConfig(nano);
const phi3 = readModelConfig(golden('phi3'));
const loaders: [name: string, folder: string, load: (folder: string) => void][] = [
  ["kvd's own", join(nano, 'kvd-adapter'), (folder) => loadAdapterFolder(folder, shapes).dispose()],
  [
    "PEFT's",
    golden('peft/phi3'),
    (folder) => {
      const lora = loadLora(folder, phi3);
      for (const layer of lora.layers) for (const { a, b } of Object.values(layer)) tf.dispose([a, b]);
    },
  ],
];
const cases = loaders.flatMap(([name, folder, load]) =>
  readdirSync(folder)
    .filter((file) => /^(adapter|kvd|scorer).*\.(json|safetensors)$/.test(file))
    .map((file) => ({ name, file, folder, load })),
);

it.each(cases)('$file of $name', ({ file, folder, load }) => {
  const own = mkdtempSync(join(tmpdir(), 'kvd-adapter-'));
  cpSync(folder, own, { recursive: true });
  const whole = readFileSync(join(own, file));
  load(own);
  const before = tf.memory().numTensors;
  const read = (content: string | Buffer): void => {
    writeFileSync(join(own, file), content);
    load(own);
  };
  expect(refusals(damage(whole), read)).toBeGreaterThan(0);
  if (file.endsWith('.json')) {
    const json: unknown = JSON.parse(whole.toString());
    expect(refusals(twist(json), (value) => read(JSON.stringify(value)))).toBeGreaterThan(runs / 20);
  }
  expect(tf.memory().numTensors).toBe(before);
});
