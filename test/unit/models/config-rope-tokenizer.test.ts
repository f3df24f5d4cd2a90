import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { vocabulary } from '../../../src/data/nano/words.js';
import { parseModelConfig, readModelConfig, type RopeConfig } from '../../../src/models/config.js';
import { cosSin, inverseFrequencies } from '../../../src/models/rope.js';
import { openSafetensors } from '../../../src/models/safetensors.js';
import { loadTokenizer } from '../../../src/models/tokenizer.js';
import { buildWordTokenizer } from '../../../src/models/word-tokenizer.js';
import { expectClose } from '../../helpers/closeness.js';
import { golden, goldenModels } from '../../helpers/golden.js';

describe('config.json', () => {
  it.each(goldenModels)('%s: both spellings mean the same', (name) => {
    const { raw: _a, ...now } = readModelConfig(golden(name));
    const { raw: _b, ...before } = parseModelConfig(
      JSON.parse(readFileSync(join(golden(name), 'config.v4.json'), 'utf8')),
      'v4',
    );
    expect({ ...before, layerTypes: undefined }).toEqual({ ...now, layerTypes: undefined });
  });

  it("takes generation_config.json's end tokens as well", () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
    copyFileSync(join(golden('llama8'), 'config.json'), join(folder, 'config.json'));
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": [7, 9]}');
    expect(readModelConfig(folder).eosTokenIds).toEqual([7, 9]);
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": "x"}');
    expect(() => readModelConfig(folder)).toThrow(UserError);
  });

  it.each([
    [{ model_type: 'lama' }, /did you mean|unknown architecture/i],
    [{ num_key_value_heads: 3 }, /evenly/],
    [{ rope_parameters: { rope_type: 'yarn' } }, /yarn/],
    [{ hidden_act: 'relu' }, /relu/],
    [{ hidden_size: -1 }, /hidden_size/],
    [{ partial_rotary_factor: 0.75 }, /partial_rotary_factor/],
    [{ model_type: undefined }, /model_type/],
    [{ quantization_config: { bits: 4 } }, /quantised/],
  ])('refuses %j', (over, message) => {
    const raw = JSON.parse(readFileSync(join(golden('llama8'), 'config.json'), 'utf8')) as object;
    expect(() => parseModelConfig({ ...raw, ...over }, 'config.json')).toThrow(message);
  });
});

describe('rotary embedding against Transformers', () => {
  const meta = JSON.parse(readFileSync(golden('rope/meta.json'), 'utf8')) as Record<
    string,
    Record<string, unknown>
  >;
  const reference = openSafetensors(golden('rope/reference.safetensors'));
  const names = [...new Set(reference.names().map((name) => name.split('.')[0]!))];
  const ropes: Record<string, [RopeConfig, number]> = {};
  for (const name of names) {
    const config = JSON.stringify(meta[name] ?? {});
    const number = (key: string): number => Number(new RegExp(`"${key}": ?([\\d.e+-]+)`).exec(config)?.[1]);
    const dim = 2 * reference.info(`${name}.inv_freq`).shape[0]!;
    const theta = number('rope_theta') || 10_000;
    if (config.includes('llama3')) {
      const llama3 = {
        type: 'llama3' as const,
        theta,
        factor: number('factor'),
        lowFreqFactor: number('low_freq_factor'),
        highFreqFactor: number('high_freq_factor'),
        originalMaxPositionEmbeddings: number('original_max_position_embeddings'),
      };
      ropes[name] = [llama3, dim];
    } else if (config.includes('linear'))
      ropes[name] = [{ type: 'linear', theta, factor: number('factor') }, dim];
    else ropes[name] = [{ type: 'default', theta }, dim];
  }

  it.each(names)('%s', (name) => {
    const [rope, dim] = ropes[name]!;
    const inverse = inverseFrequencies(rope, dim);
    expectClose(inverse, reference.readFloat(`${name}.inv_freq`).data, 1e-6);
    const { dtype } = reference.info(`${name}.positions`);
    const positions = dtype.startsWith('I')
      ? reference.readInt(`${name}.positions`).data
      : reference.readFloat(`${name}.positions`).data;
    const early = Array.from(positions).filter((position) => position < 64);
    const { cos, sin } = cosSin(reference.readFloat(`${name}.inv_freq`).data, early);
    expectClose(cos, reference.readFloat(`${name}.cos`).data.subarray(0, cos.length), 1e-5);
    expectClose(sin, reference.readFloat(`${name}.sin`).data.subarray(0, sin.length), 1e-5);
  });
});

describe('the nano tokenizer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-'));
  const { tokenizer, config } = buildWordTokenizer(vocabulary());
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));

  it('makes one token of a known word and bytes of any other, and loses nothing', () => {
    const loaded = loadTokenizer(folder);
    expect(loaded.encode('Mara Holt has the color jade.').length).toBe(7);
    expect(loaded.encode({ control: '<question> what is the color of Mara Holt?<answer>' }).length).toBe(10);
    for (const text of ['Zürich 🙂 at 5 %', 'tabs\tand\nlines', '日本語 and jade.']) {
      expect(loaded.decode(loaded.encode(text)).trim()).toBe(text);
    }
    expect([loaded.padId, loaded.bosId, loaded.eosId]).toEqual([0, 1, 2]);
  });

  it('refuses damaged files by name', () => {
    const bad = mkdtempSync(join(tmpdir(), 'kvd-'));
    expect(() => loadTokenizer(bad)).toThrow(UserError);
    writeFileSync(join(bad, 'tokenizer.json'), '{"model": 3');
    expect(() => loadTokenizer(bad)).toThrow(/not valid JSON/);
    writeFileSync(join(bad, 'tokenizer.json'), '{}');
    copyFileSync(join(folder, 'tokenizer_config.json'), join(bad, 'tokenizer_config.json'));
    expect(() => loadTokenizer(bad)).toThrow(UserError);
  });
});
