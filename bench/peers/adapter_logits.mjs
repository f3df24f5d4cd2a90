/**
 * Logits of token ids under an adapter, as JSON: `node adapter_logits.mjs MODEL ADAPTER '[1, 2]'`. An empty ADAPTER folder
 * gets an adapter with random matrices.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../dist/engine/random.js';
import { startEngine } from '../../dist/engine/index.js';
import { freshLora } from '../../dist/methods/lora-adapter.js';
import { loadLora, saveLora } from '../../dist/methods/peft.js';
import { makeBatch } from '../../dist/models/batch.js';
import { loadDecoder } from '../../dist/models/checkpoint.js';

const [folder, adapterFolder, ids] = process.argv.slice(2);
await startEngine();
const model = loadDecoder(folder);
if (!existsSync(join(adapterFolder, 'adapter_config.json'))) {
  const random = new Random('peft');
  const lora = freshLora(model.config, { lora_r: 4, lora_alpha: 8 }, random);
  for (const { b } of lora.layers.flatMap((layer) => Object.values(layer))) {
    b.assign(
      tf.tensor2d(
        Float32Array.from({ length: b.size }, () => random.normal() / 10),
        b.shape,
      ),
    );
  }
  saveLora(adapterFolder, lora, folder);
}
const adapter = loadLora(adapterFolder, model.config);
const { hidden } = model.forward(makeBatch([JSON.parse(ids)]), { lora: { adapter } });
process.stdout.write(JSON.stringify(model.logits(hidden).arraySync()));
