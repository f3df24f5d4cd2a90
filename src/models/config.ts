/** config.json of a Hugging Face model, in the transformers-4 and -5 spellings, as one typed value. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson } from '../base/files.js';
import { architectures } from './architectures/index.js';
import type { ActivationName } from './ops.js';

export type RopeConfig =
  | { type: 'default'; theta: number }
  | { type: 'linear'; theta: number; factor: number }
  | {
      type: 'llama3';
      theta: number;
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositionEmbeddings: number;
    };

export interface ModelConfig {
  /** `model_type`, a name in the architecture registry. */
  architecture: string;
  hiddenSize: number;
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  vocabSize: number;
  rmsNormEps: number;
  rope: RopeConfig;
  maxPositionEmbeddings: number;
  hiddenAct: ActivationName;
  tieWordEmbeddings: boolean;
  attentionBias: boolean;
  eosTokenIds: number[];
  /** Gemma-2 only. */
  attnLogitSoftcapping?: number | undefined;
  finalLogitSoftcapping?: number | undefined;
  queryPreAttnScalar?: number | undefined;
  /** Tokens that a layer with a sliding window sees, the query included. */
  slidingWindow?: number | undefined;
  /** Qwen only: whether any layer has a window, and the first that has where `layerTypes` is silent. */
  useSlidingWindow?: boolean | undefined;
  maxWindowLayers?: number | undefined;
  layerTypes?: readonly string[] | undefined;
  /** config.json as it was read. */
  raw: Record<string, unknown>;
}

const size = z.int().min(1).max(1_000_000);
const maybe = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

const ropeSchema = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: size.optional(),
  partial_rotary_factor: maybe(z.number()),
});

const configSchema = z.looseObject({
  model_type: z.string(),
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: z.int().min(1).max(1000),
  num_attention_heads: size,
  num_key_value_heads: maybe(size),
  head_dim: maybe(size),
  vocab_size: z.int().min(1).max(10_000_000),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: maybe(z.number().positive()),
  rope_scaling: maybe(ropeSchema),
  rope_parameters: maybe(ropeSchema),
  max_position_embeddings: z.int().min(1).default(2048),
  hidden_act: maybe(z.string()),
  hidden_activation: maybe(z.string()),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  eos_token_id: maybe(z.union([z.int(), z.array(z.int())])),
  attn_logit_softcapping: maybe(z.number().positive()),
  final_logit_softcapping: maybe(z.number().positive()),
  query_pre_attn_scalar: maybe(z.number().positive()),
  sliding_window: maybe(size),
  use_sliding_window: maybe(z.boolean()),
  max_window_layers: maybe(z.int().min(0)),
  partial_rotary_factor: maybe(z.number()),
  layer_types: maybe(z.array(z.string())),
  quantization_config: maybe(z.looseObject({})),
});
type RawConfig = z.output<typeof configSchema>;

function ropeOf(raw: RawConfig, refuse: (problem: string) => UserError): RopeConfig {
  const scaling = raw.rope_parameters ?? raw.rope_scaling;
  const theta = scaling?.rope_theta ?? raw.rope_theta ?? 10_000;
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  const rotated = scaling?.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (rotated !== 1) throw refuse(`partial_rotary_factor ${rotated} is not supported (1 is)`);
  const need = (key: keyof z.output<typeof ropeSchema>): number => {
    const value = scaling?.[key];
    if (typeof value !== 'number') throw refuse(`rope type ${type} needs ${key}`);
    return value;
  };
  if (type === 'default') return { type, theta };
  if (type === 'linear') return { type, theta, factor: need('factor') };
  if (type !== 'llama3') throw refuse(`rope type "${type}" is not supported (default, linear, llama3 are)`);
  return {
    type,
    theta,
    factor: need('factor'),
    lowFreqFactor: need('low_freq_factor'),
    highFreqFactor: need('high_freq_factor'),
    originalMaxPositionEmbeddings: need('original_max_position_embeddings'),
  };
}

/** Checks a parsed config.json; every problem is a UserError at `where`. */
export function parseModelConfig(json: unknown, where: string): ModelConfig {
  const refuse = (problem: string): UserError => new UserError('bad-model-config', problem, { where });
  const family = z.looseObject({ model_type: z.string() }).safeParse(json);
  if (!family.success) throw refuse('names no model_type');
  const architecture = architectures.get(family.data.model_type, where);
  const parsed = configSchema.safeParse({ ...architecture.defaults, ...family.data });
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`,
    );
    throw refuse(problems.join('; '));
  }
  const raw = parsed.data;
  const numHeads = raw.num_attention_heads;
  const numKvHeads = raw.num_key_value_heads ?? numHeads;
  const headDim = raw.head_dim ?? raw.hidden_size / numHeads;
  if (numHeads % numKvHeads !== 0)
    throw refuse(`${numHeads} heads cannot share ${numKvHeads} KV heads evenly`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw refuse(`head_dim ${headDim} is not an even number`);
  const activation = raw.hidden_activation ?? raw.hidden_act ?? 'silu';
  if (activation !== 'silu' && activation !== 'gelu_pytorch_tanh') {
    throw refuse(`activation "${activation}" is not supported (silu, gelu_pytorch_tanh are)`);
  }
  if (raw.quantization_config) {
    throw refuse('quantised checkpoints are not supported: take the float16 or bfloat16 one');
  }
  if (raw.mlp_bias) throw refuse('mlp_bias is not supported');
  if (raw.layer_types && raw.layer_types.length !== raw.num_hidden_layers) {
    throw refuse(`layer_types names ${raw.layer_types.length} layers of ${raw.num_hidden_layers}`);
  }
  const eos = raw.eos_token_id;
  return {
    architecture: raw.model_type,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    numLayers: raw.num_hidden_layers,
    numHeads,
    numKvHeads,
    headDim,
    vocabSize: raw.vocab_size,
    rmsNormEps: raw.rms_norm_eps,
    rope: ropeOf(raw, refuse),
    maxPositionEmbeddings: raw.max_position_embeddings,
    hiddenAct: activation,
    tieWordEmbeddings: raw.tie_word_embeddings,
    attentionBias: raw.attention_bias,
    eosTokenIds: eos === undefined ? [] : [eos].flat(),
    attnLogitSoftcapping: raw.attn_logit_softcapping,
    finalLogitSoftcapping: raw.final_logit_softcapping,
    queryPreAttnScalar: raw.query_pre_attn_scalar,
    slidingWindow: raw.sliding_window,
    useSlidingWindow: raw.use_sliding_window,
    maxWindowLayers: raw.max_window_layers,
    layerTypes: raw.layer_types,
    raw: json as Record<string, unknown>,
  };
}

const eosSchema = z.looseObject({ eos_token_id: configSchema.shape.eos_token_id });

/** config.json of the model in `folder`, with the end tokens that its generation_config.json adds. */
export function readModelConfig(folder: string): ModelConfig {
  const path = join(folder, 'config.json');
  const config = parseModelConfig(readJson(path), path);
  const generation = join(folder, 'generation_config.json');
  if (!existsSync(generation)) return config;
  const parsed = eosSchema.safeParse(readJson(generation));
  if (!parsed.success) {
    throw new UserError('bad-model-config', z.prettifyError(parsed.error), { where: generation });
  }
  const more = [parsed.data.eos_token_id ?? []].flat();
  return { ...config, eosTokenIds: [...new Set([...config.eosTokenIds, ...more])] };
}
