/** Hugging Face folders to decoders and back. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { writeFileAtomic } from '../base/files.js';
import { architectures } from './architectures/index.js';
import type { DecoderPlan } from './architectures/architecture.js';
import { readModelConfig, type ModelConfig } from './config.js';
import { Decoder, type DecoderWeights } from './decoder.js';
import type { LayerWeights } from './decoder-layer.js';
import { openCheckpoint, writeSafetensors, type TensorToWrite } from './safetensors.js';
import { WeightReader } from './weight-reader.js';

const EMBEDDING = 'model.embed_tokens.weight';
const FINAL_NORM = 'model.norm.weight';
const HEAD = 'lm_head.weight';

/** Rows of each stored matrix when `total` parts are kept in `count` matrices. */
function splitRows(parts: readonly number[], count: number): readonly number[] {
  return count === parts.length ? parts : [parts.reduce((a, b) => a + b, 0)];
}

function projectionRows(config: ModelConfig): { qkv: number[]; gateUp: number[] } {
  const { numHeads, numKvHeads, headDim, intermediateSize } = config;
  return {
    qkv: [numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim],
    gateUp: [intermediateSize, intermediateSize],
  };
}

/** Where a decoder's weights come from; matrices are named and shaped as they are stored, [out, in]. */
export type WeightSource = Pick<WeightReader, 'vector' | 'vectors' | 'matrix' | 'stacked'>;

/** A decoder of this configuration with weights from `source`. */
export function decoderFrom(config: ModelConfig, plan: DecoderPlan, source: WeightSource): Decoder {
  const { hiddenSize: width, vocabSize, numHeads, headDim, intermediateSize } = config;
  const rows = projectionRows(config);
  const { names, normOffset } = plan;
  const layers = Array.from({ length: config.numLayers }, (_, index): LayerWeights => {
    const full = (name: string): string => `model.layers.${index}.${name}`;
    const norm = (name: string): tf.Tensor1D => source.vector(full(name), width, normOffset);
    return {
      inputNorm: norm(names.inputNorm),
      qkv: source.stacked(names.qkv.map(full), splitRows(rows.qkv, names.qkv.length), width),
      ...(names.qkvBias && {
        qkvBias: source.vectors(names.qkvBias.map(full), splitRows(rows.qkv, names.qkvBias.length)),
      }),
      ...(names.queryNorm && { queryNorm: source.vector(full(names.queryNorm), headDim, normOffset) }),
      ...(names.keyNorm && { keyNorm: source.vector(full(names.keyNorm), headDim, normOffset) }),
      attentionOut: source.stacked([full(names.attentionOut)], [width], numHeads * headDim),
      ...(names.attentionOutBias && {
        attentionOutBias: source.vector(full(names.attentionOutBias), width, 0),
      }),
      ...(names.postAttentionNorm && { postAttentionNorm: norm(names.postAttentionNorm) }),
      mlpNorm: norm(names.mlpNorm),
      gateUp: source.stacked(names.gateUp.map(full), splitRows(rows.gateUp, names.gateUp.length), width),
      mlpDown: source.stacked([full(names.mlpDown)], [width], intermediateSize),
      ...(names.postMlpNorm && { postMlpNorm: norm(names.postMlpNorm) }),
    };
  });
  const weights: DecoderWeights = {
    embedding: source.matrix(EMBEDDING, vocabSize, width),
    layers,
    finalNorm: source.vector(FINAL_NORM, width, normOffset),
    ...(!config.tieWordEmbeddings && { head: source.stacked([HEAD], [vocabSize], width) }),
  };
  return new Decoder(config, plan, weights);
}

/** The decoder in `folder`, its weights float32 on the engine's device; a UserError where files are missing or damaged. */
export function loadDecoder(folder: string): Decoder {
  const config = readModelConfig(folder);
  const plan = architectures.get(config.architecture, join(folder, 'config.json')).plan(config);
  const source = openCheckpoint(folder);
  try {
    const reader = new WeightReader(source, folder);
    const decoder = decoderFrom(config, plan, reader);
    reader.refuseUnread(/^model\.layers\./, /\.rotary_emb\.inv_freq$/);
    return decoder;
  } finally {
    source.close();
  }
}

/** Tensors as a checkpoint stores them: [out, in], under Hugging Face's names. */
export function checkpointTensors(
  config: ModelConfig,
  plan: DecoderPlan,
  weights: DecoderWeights,
  options: { dtype: 'F32' | 'BF16'; logitScale?: number },
): Map<string, TensorToWrite> {
  const tensors = new Map<string, TensorToWrite>();
  const put = (name: string, tensor: tf.Tensor): void => {
    tensors.set(name, {
      dtype: options.dtype,
      shape: tensor.shape,
      data: Float32Array.from(tensor.dataSync()),
    });
  };
  const rows = projectionRows(config);
  tf.tidy(() => {
    const { names, normOffset } = plan;
    put(EMBEDDING, weights.embedding);
    put(FINAL_NORM, tf.sub(weights.finalNorm, normOffset));
    const scale = options.logitScale ?? 1;
    if (weights.head !== undefined) put(HEAD, tf.transpose(weights.head));
    else if (scale !== 1) put(HEAD, tf.mul(weights.embedding, scale));
    weights.layers.forEach((layer, index) => {
      const full = (name: string): string => `model.layers.${index}.${name}`;
      const stack = (targets: readonly string[], parts: readonly number[], matrix: tf.Tensor2D): void => {
        const sizes = [...splitRows(parts, targets.length)];
        tf.split(tf.transpose(matrix), sizes, 0).forEach((part, i) => put(full(targets[i]!), part));
      };
      const norm = (name: string | undefined, gain: tf.Tensor1D | undefined): void => {
        if (name !== undefined && gain !== undefined) put(full(name), tf.sub(gain, normOffset));
      };
      norm(names.inputNorm, layer.inputNorm);
      stack(names.qkv, rows.qkv, layer.qkv);
      if (names.qkvBias && layer.qkvBias) {
        const sizes = [...splitRows(rows.qkv, names.qkvBias.length)];
        tf.split(layer.qkvBias, sizes).forEach((part, i) => put(full(names.qkvBias![i]!), part));
      }
      norm(names.queryNorm, layer.queryNorm);
      norm(names.keyNorm, layer.keyNorm);
      put(full(names.attentionOut), tf.transpose(layer.attentionOut));
      if (names.attentionOutBias && layer.attentionOutBias)
        put(full(names.attentionOutBias), layer.attentionOutBias);
      norm(names.postAttentionNorm, layer.postAttentionNorm);
      norm(names.mlpNorm, layer.mlpNorm);
      stack(names.gateUp, rows.gateUp, layer.gateUp);
      put(full(names.mlpDown), tf.transpose(layer.mlpDown));
      norm(names.postMlpNorm, layer.postMlpNorm);
    });
  });
  return tensors;
}

/**
 * Writes config.json and model.safetensors. A `logitScale` other than 1 becomes an untied `lm_head`.
 * @param rawConfig config.json's fields, completed with class name and tying
 */
export function saveDecoder(
  folder: string,
  decoder: Decoder,
  rawConfig: Record<string, unknown>,
  dtype: 'F32' | 'BF16',
): void {
  const { config, plan, weights, logitScale } = decoder;
  const tensors = checkpointTensors(config, plan, weights, { dtype, logitScale });
  writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  const complete = {
    ...rawConfig,
    architectures: [architectures.get(config.architecture).className],
    tie_word_embeddings: !tensors.has(HEAD),
    torch_dtype: dtype === 'F32' ? 'float32' : 'bfloat16',
  };
  writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(complete, null, 2)}\n`);
}
