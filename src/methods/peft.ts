/** LoRA adapters in PEFT's files (adapter_config.json, adapter_model.safetensors), read and written. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import type { ModelConfig } from '../models/config.js';
import { loraTargets, type LoraAdapter, type LoraPair, type LoraTarget } from '../models/lora.js';
import type { TensorSource } from '../models/safetensors.js';
import { readChecked, wholeOrNone } from './adapter-files.js';
import { everyPair, hasFusedQkv, loraShapes, noPair } from './lora-adapter.js';
import { readMatrix, withSafetensors, writeMatrices } from './matrices.js';

const CONFIG = 'adapter_config.json';
export const LORA_WEIGHTS = 'adapter_model.safetensors';
const PARTS = ['q', 'k', 'v'] as const;

const pattern = z.record(z.string(), z.number().positive()).nullish();
const peftSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().min(1),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  use_rslora: z.boolean().default(false),
  use_dora: z.literal(false, { error: 'DoRA is not supported' }).nullish(),
  fan_in_fan_out: z.literal(false, { error: 'fan_in_fan_out is not supported' }).nullish(),
  rank_pattern: pattern,
  alpha_pattern: pattern,
});
type PeftConfig = z.output<typeof peftSchema>;

/** PEFT's name of one adapted matrix. */
export function peftName(layer: number, module: string, half: 'A' | 'B'): string {
  return `base_model.model.model.layers.${layer}.self_attn.${module}.lora_${half}.weight`;
}

/** Rank and scale of a module; patterns name modules by the end of their path. */
function settingsOf(peft: PeftConfig, path: string): { rank: number; scale: number } {
  const find = (values: z.output<typeof pattern>): number | undefined =>
    Object.entries(values ?? {}).find(([end]) => path === end || path.endsWith(`.${end}`))?.[1];
  const rank = find(peft.rank_pattern) ?? peft.r;
  const alpha = find(peft.alpha_pattern) ?? peft.lora_alpha;
  return { rank, scale: alpha / (peft.use_rslora ? Math.sqrt(rank) : rank) };
}

/** What a file holds of one projection. */
type StoredPair = { a: tf.Tensor2D; b: tf.Tensor2D; scale: number };

/** Reads the modules of a file and knows which of its tensors were wanted. */
class PeftReader {
  private readonly left: Set<string>;

  constructor(
    private readonly source: TensorSource,
    private readonly peft: PeftConfig,
    private readonly path: string,
  ) {
    this.left = new Set(source.names());
  }

  /** A module's pair; undefined where the adapter does not adapt it. */
  module(layer: number, module: string, inputs: number, outputs: number): StoredPair | undefined {
    const [a, b] = [peftName(layer, module, 'A'), peftName(layer, module, 'B')];
    const { target_modules: targets, layers_to_transform: layers } = this.peft;
    const demanded =
      (layers ?? undefined) === undefined && Array.isArray(targets) && targets.includes(module);
    if (!demanded && !this.source.has(a) && !this.source.has(b)) return undefined;
    const { rank, scale } = settingsOf(this.peft, `model.layers.${layer}.self_attn.${module}`);
    this.left.delete(a);
    this.left.delete(b);
    return {
      a: readMatrix(this.source, a, [inputs, rank], this.path),
      b: readMatrix(this.source, b, [rank, outputs], this.path),
      scale,
    };
  }

  /** The pairs of queries, keys and values that one module adapts together. */
  fused(layer: number, inputs: number, outputs: readonly number[]): StoredPair[] | undefined {
    const total = outputs.reduce((sum, size) => sum + size, 0);
    const whole = this.module(layer, 'qkv_proj', inputs, total);
    if (whole === undefined) return undefined;
    const pairs = tf.tidy(() => splitFused(whole, outputs, this.peft.r));
    tf.dispose([whole.a, whole.b]);
    return pairs;
  }

  refuseRest(): void {
    const [first] = this.left;
    if (first === undefined) return;
    throw new UserError('unsupported-adapter', `has a tensor ${first}, which cannot be applied`, {
      where: this.path,
      hint: 'Adapters of LoRA matrices on the q, k, v and o projections of attention can be read, and no others.',
    });
  }
}

/** Three pairs with a share of the rank each, where that is how the matrix is made (as saveLora makes it), else with all of it. */
function splitFused({ a, b, scale }: StoredPair, outputs: readonly number[], rank: number): StoredPair[] {
  const columns = tf.split(b, [...outputs], 1) as tf.Tensor2D[];
  const shared = (): StoredPair[] => columns.map((part) => ({ a: tf.clone(a), b: part, scale }));
  if (a.shape[1] !== PARTS.length * rank) return shared();
  const blocks = columns.map((part) => tf.split(part, PARTS.length, 0) as tf.Tensor2D[]);
  const others = blocks.flatMap((row, i) => row.filter((_, j) => j !== i));
  if (others.some((block) => tf.max(tf.abs(block)).dataSync()[0] !== 0)) return shared();
  const inputs = tf.split(a, PARTS.length, 1) as tf.Tensor2D[];
  return inputs.map((input, i) => ({ a: input, b: blocks[i]![i]!, scale }));
}

/** The pair with `rank` rows and a scale of `scale`: zeros and a factor on B make up the difference. */
function brought(pair: StoredPair, rank: number, scale: number): LoraPair {
  const ratio = pair.scale / scale;
  const missing = rank - pair.a.shape[1];
  if (missing === 0 && Math.abs(ratio - 1) < 1e-12) return { a: pair.a, b: pair.b };
  const made = tf.tidy(() => ({
    a: tf.pad(pair.a, [
      [0, 0],
      [0, missing],
    ]) as tf.Tensor2D,
    b: tf.pad(tf.mul(pair.b, ratio), [
      [0, missing],
      [0, 0],
    ]) as tf.Tensor2D,
  }));
  tf.dispose([pair.a, pair.b]);
  return made;
}

/** The LoRA weights of a PEFT folder for a model of this configuration. */
export function loadLora(folder: string, config: ModelConfig): LoraAdapter {
  const peft = readChecked(peftSchema, join(folder, CONFIG));
  const path = join(folder, LORA_WEIGHTS);
  const shapes = loraShapes(config);
  const fused = hasFusedQkv(config);
  const read = (source: TensorSource): LoraAdapter => {
    const reader = new PeftReader(source, peft, path);
    const stored = Array.from({ length: config.numLayers }, (_, layer) => {
      const found: Partial<Record<LoraTarget, StoredPair>> = {};
      const whole = fused
        ? reader.fused(
            layer,
            shapes.q[0],
            PARTS.map((part) => shapes[part][1]),
          )
        : undefined;
      for (const [i, part] of PARTS.entries()) {
        const pair = fused ? whole?.[i] : reader.module(layer, `${part}_proj`, ...shapes[part]);
        if (pair !== undefined) found[part] = pair;
      }
      const output = reader.module(layer, 'o_proj', ...shapes.o);
      return output === undefined ? found : { ...found, o: output };
    });
    reader.refuseRest();
    const pairs = stored.flatMap((layer) => Object.values(layer));
    const rank = pairs.reduce((most, { a }) => Math.max(most, a.shape[1]), peft.r);
    const scale = settingsOf(peft, '').scale;
    const layers = everyPair(config, (layer, target, inputs, outputs) => {
      const pair = stored[layer]![target];
      return pair === undefined ? noPair(inputs, rank, outputs) : brought(pair, rank, scale);
    });
    const alpha = peft.use_rslora && rank === peft.r ? peft.lora_alpha : scale * Math.sqrt(rank);
    return { rank, alpha, layers, ...(fused && { fused: true }) };
  };
  return wholeOrNone(() => withSafetensors(path, read));
}

/** One module of queries, keys and values: the three A side by side, the three B along the diagonal. */
function fuse(layer: Record<LoraTarget, LoraPair>): LoraPair {
  return tf.tidy(() => {
    const widths = PARTS.map((part) => layer[part].b.shape[1]);
    const rows = PARTS.map((part, i) => {
      const before = widths.slice(0, i).reduce((sum, width) => sum + width, 0);
      const after = widths.slice(i + 1).reduce((sum, width) => sum + width, 0);
      return tf.pad(layer[part].b, [
        [0, 0],
        [before, after],
      ]);
    });
    return {
      a: tf.concat(
        PARTS.map((part) => layer[part].a),
        1,
      ) as tf.Tensor2D,
      b: tf.concat(rows, 0) as tf.Tensor2D,
    };
  });
}

/**
 * Writes `adapter_config.json` and `adapter_model.safetensors` as PEFT does. Three adapters of a fused projection become
 * one of three times the rank, whose alpha leaves the scale as it is.
 */
export function saveLora(
  folder: string,
  lora: LoraAdapter,
  baseModel: string,
  targets: readonly LoraTarget[] = loraTargets,
): void {
  const fused = lora.fused === true && PARTS.some((part) => targets.includes(part));
  const separate = fused ? targets.filter((target) => target === 'o') : targets;
  const modules = [...(fused ? ['qkv_proj'] : []), ...separate.map((target) => `${target}_proj`)];
  const weights: Record<string, tf.Tensor2D> = {};
  const made: LoraPair[] = [];
  lora.layers.forEach((layer, index) => {
    const pairs = separate.map((target) => layer[target]);
    if (fused) {
      made.push(fuse(layer));
      pairs.unshift(made.at(-1)!);
    }
    pairs.forEach(({ a, b }, i) => {
      weights[peftName(index, modules[i]!, 'A')] = a;
      weights[peftName(index, modules[i]!, 'B')] = b;
    });
  });
  writeMatrices(join(folder, LORA_WEIGHTS), weights);
  made.forEach(({ a, b }) => tf.dispose([a, b]));
  const peft = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: lora.rank,
    lora_alpha: lora.alpha,
    use_rslora: true,
    lora_dropout: 0,
    bias: 'none',
    target_modules: modules,
    ...(fused && {
      rank_pattern: { qkv_proj: PARTS.length * lora.rank },
      alpha_pattern: { qkv_proj: lora.alpha * Math.sqrt(PARTS.length) },
    }),
    base_model_name_or_path: baseModel,
    inference_mode: true,
  };
  writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(peft, null, 2)}\n`);
}
