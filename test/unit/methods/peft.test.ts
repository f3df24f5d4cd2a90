import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../src/engine/random.js';
import { startEngine } from '../../../src/engine/index.js';
import { freshLora } from '../../../src/methods/lora-adapter.js';
import { loadLora, saveLora } from '../../../src/methods/peft.js';
import { makeBatch } from '../../../src/models/batch.js';
import { loadDecoder } from '../../../src/models/checkpoint.js';
import type { Decoder } from '../../../src/models/decoder.js';
import { loraTargets, type LoraAdapter } from '../../../src/models/lora.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden } from '../../helpers/golden.js';
import { shake } from '../../helpers/tiny.js';

beforeAll(() => startEngine());

function logitsOf(model: Decoder, ids: number[], adapter: LoraAdapter): Float32Array {
  return tf.tidy(() =>
    model.logits(model.forward(makeBatch([ids]), { lora: { adapter } }).hidden).dataSync(),
  ) as Float32Array;
}

describe.each(readdirSync(golden('peft')))('adapter %s of PEFT 0.21', (name) => {
  const folder = golden(`peft/${name}`);
  const { base_model_name_or_path: base } = JSON.parse(
    readFileSync(join(folder, 'adapter_config.json'), 'utf8'),
  ) as { base_model_name_or_path: string };

  it("gives PEFT's logits, read from its files and from ours", () => {
    const model = loadDecoder(golden(base));
    const adapter = loadLora(folder, model.config);
    const reference = openSafetensors(join(folder, 'reference.safetensors'));
    const ids = Array.from(reference.readInt('input_ids').data);
    const wanted = reference.readFloat('logits').data;
    reference.close();
    expectClose(logitsOf(model, ids, adapter), wanted, 1e-4);
    const copy = mkdtempSync(join(tmpdir(), 'kvd-'));
    saveLora(copy, adapter, base);
    expectClose(logitsOf(model, ids, loadLora(copy, model.config)), wanted, 1e-4);
    model.dispose();
  });
});

it('keeps three adapters of a fused projection as they are, fresh ones too', () => {
  const model = loadDecoder(golden('phi3'));
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const lora = freshLora(model.config, { lora_r: 3, lora_alpha: 5 }, new Random('fused'));
  const same = (): void => {
    saveLora(folder, lora, 'phi3');
    const loaded = loadLora(folder, model.config);
    expect([loaded.rank, loaded.alpha]).toEqual([3, 5]);
    loaded.layers.forEach((layer, index) => {
      for (const target of loraTargets) {
        for (const half of ['a', 'b'] as const) {
          expect(layer[target][half].dataSync()).toEqual(lora.layers[index]![target][half].dataSync());
        }
      }
    });
  };
  same();
  shake(lora.layers.map((layer) => layer.k.b) as unknown as tf.Variable[], 0.3, new Random('noise'));
  same();
  model.dispose();
});

describe('an adapter that cannot be applied is refused by name', () => {
  const changed = (change: (config: Record<string, unknown>) => object): string => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    cpSync(golden('peft/qwen2'), folder, { recursive: true });
    const path = join(folder, 'adapter_config.json');
    writeFileSync(
      path,
      JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)),
    );
    return folder;
  };
  it.each([
    ['DoRA', { use_dora: true }, /DoRA/],
    ['a module that the file lacks', { target_modules: ['q_proj', 'k_proj', 'v_proj'] }, /k_proj/],
    ['another rank', { r: 4 }, /the model wants/],
    ['another kind', { peft_type: 'IA3' }, /LORA/],
  ])('%s', (_what, over, message) => {
    const model = loadDecoder(golden('qwen2'));
    expect(() =>
      loadLora(
        changed((config) => ({ ...config, ...over })),
        model.config,
      ),
    ).toThrow(message);
    model.dispose();
  });

  it('for modules that we do not adapt', () => {
    const model = loadDecoder(golden('llama4-tied'));
    expect(() => loadLora(golden('peft/phi3'), model.config)).toThrow(/qkv_proj.*cannot be applied/);
    model.dispose();
  });
});
