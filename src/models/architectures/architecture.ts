/** What a decoder family declares about itself; the shared decoder does the rest. */
import type { Entry } from '../../base/registry.js';
import type { ModelConfig } from '../config.js';
import type { ActivationName } from '../ops.js';

/** Checkpoint names of one layer's tensors, without the `model.layers.N.` prefix. */
export interface LayerTensorNames {
  inputNorm: string;
  /** One or several matrices whose rows, in this order, are queries, keys, values. */
  qkv: readonly string[];
  qkvBias?: readonly string[];
  /** Norms over each head's queries and keys, before rotary embedding (Qwen-3). */
  queryNorm?: string;
  keyNorm?: string;
  attentionOut: string;
  attentionOutBias?: string;
  /** Norm of the attention's output before it joins the residual stream (Gemma-2). */
  postAttentionNorm?: string;
  mlpNorm: string;
  /** One or several matrices whose rows, in this order, are gate and up. */
  gateUp: readonly string[];
  mlpDown: string;
  /** Norm of the MLP's output before it joins the residual stream (Gemma-2). */
  postMlpNorm?: string;
}

/** Everything in which decoder families differ. */
export interface DecoderPlan {
  names: LayerTensorNames;
  /** Factor on the token embeddings. */
  embeddingScale: number;
  /** Added to stored norm weights: 1 where the checkpoint stores `weight - 1` (Gemma). */
  normOffset: number;
  /** Factor on query·key. */
  attentionScale: number;
  attentionSoftcap: number | undefined;
  logitSoftcap: number | undefined;
  activation: ActivationName;
  /** Sliding window of a layer in tokens, the query included; undefined = all tokens. */
  window(layer: number): number | undefined;
}

export interface Architecture extends Entry {
  /** `architectures[0]` of config.json, written on save. */
  readonly className: string;
  /** Fields of config.json as they are meant where it leaves them out. */
  readonly defaults: Readonly<Record<string, unknown>>;
  plan(config: ModelConfig): DecoderPlan;
}

export function defineArchitecture(architecture: Architecture): Architecture {
  return architecture;
}

const PROJECTIONS = ['q_proj', 'k_proj', 'v_proj'];

/** The names shared by all families that keep separate q, k, v, gate and up matrices. */
export const separateProjections = {
  inputNorm: 'input_layernorm.weight',
  qkv: PROJECTIONS.map((name) => `self_attn.${name}.weight`),
  attentionOut: 'self_attn.o_proj.weight',
  gateUp: ['mlp.gate_proj.weight', 'mlp.up_proj.weight'],
  mlpDown: 'mlp.down_proj.weight',
} as const;

/** Names of the q, k and v biases where a checkpoint has them. */
export const qkvBiasNames = PROJECTIONS.map((name) => `self_attn.${name}.bias`);

/** Names of all four projections' biases, which `attention_bias` stands for in config.json. */
export function attentionBiases(config: ModelConfig): Pick<LayerTensorNames, 'qkvBias' | 'attentionOutBias'> {
  return config.attentionBias ? { qkvBias: qkvBiasNames, attentionOutBias: 'self_attn.o_proj.bias' } : {};
}

/** Windows as Qwen switches them: by layer where config.json says, else from layer `max_window_layers` on. */
export function switchedWindow(config: ModelConfig): DecoderPlan['window'] {
  const { useSlidingWindow, slidingWindow, layerTypes, maxWindowLayers = 0 } = config;
  if (!useSlidingWindow) return () => undefined;
  const slides = (layer: number): boolean =>
    layerTypes === undefined ? layer >= maxWindowLayers : layerTypes[layer] === 'sliding_attention';
  return (layer) => (slides(layer) ? slidingWindow : undefined);
}

/** What all plain pre-norm families share: no scaling of embeddings, no offset, no soft caps. */
export function plainPlan(config: ModelConfig): Omit<DecoderPlan, 'names' | 'window'> {
  return {
    embeddingScale: 1,
    normOffset: 0,
    attentionScale: 1 / Math.sqrt(config.headDim),
    attentionSoftcap: undefined,
    logitSoftcap: undefined,
    activation: config.hiddenAct,
  };
}
