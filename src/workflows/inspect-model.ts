/** `kvd models inspect`: what stands in a model's folder. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../base/files.js';
import { resolveModel } from '../experiment/check.js';
import { readModelConfig } from '../models/config.js';
import { openCheckpoint } from '../models/safetensors.js';
import type { TensorInfo } from '../models/safetensors-header.js';
import { loadTokenizer } from '../models/tokenizer.js';
import { formatBytes } from './progress.js';

export interface ModelInspection {
  folder: string;
  architecture: string;
  layers: number;
  hiddenSize: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  maxPositionEmbeddings: number;
  vocabulary: number;
  tiedEmbeddings: boolean;
  parameters: number;
  bytes: number;
  /** Parameters by the type in which they are stored. */
  parametersByType: Record<string, number>;
  /** Bytes that one token takes in the KV cache, float32. */
  cacheBytesPerToken: number;
  tokenizer: { entries: number; bos: number; eos: number; pad: number; sha256: string };
  /** As the model card says, or the licence file's name; `unknown` where neither is there. */
  licence: string;
  tensors: ({ name: string } & TensorInfo)[];
}

/** The `license` of a model card's front matter, else the name of a licence file. */
function licenceOf(folder: string): string {
  const card = join(folder, 'README.md');
  const front = existsSync(card) ? /^---\n(.*?)^---$/ms.exec(readText(card))?.[1] : undefined;
  const named =
    /^license_name:\s*(\S+)/m.exec(front ?? '')?.[1] ?? /^license:\s*(\S+)/m.exec(front ?? '')?.[1];
  const file = readdirSync(folder).find((name) => /licen[cs]e/i.test(name));
  return named ?? (file === undefined ? 'unknown' : `see ${file}`);
}

/** Reads configuration, tokenizer and the headers of the weights; no weight is loaded. */
export function inspectModel(nameOrPath: string): ModelInspection {
  const folder = resolveModel(nameOrPath);
  const config = readModelConfig(folder);
  const tokenizer = loadTokenizer(folder);
  const source = openCheckpoint(folder);
  const tensors = source.names().map((name) => ({ name, ...source.info(name) }));
  source.close();
  const count = ({ shape }: TensorInfo): number => shape.reduce((a, b) => a * b, 1);
  const parametersByType: Record<string, number> = {};
  for (const tensor of tensors) {
    parametersByType[tensor.dtype] = (parametersByType[tensor.dtype] ?? 0) + count(tensor);
  }
  return {
    folder,
    architecture: config.architecture,
    layers: config.numLayers,
    hiddenSize: config.hiddenSize,
    heads: config.numHeads,
    kvHeads: config.numKvHeads,
    headDim: config.headDim,
    maxPositionEmbeddings: config.maxPositionEmbeddings,
    vocabulary: config.vocabSize,
    tiedEmbeddings: config.tieWordEmbeddings,
    parameters: tensors.reduce((sum, tensor) => sum + count(tensor), 0),
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    parametersByType,
    cacheBytesPerToken: 2 * 4 * config.numLayers * config.numKvHeads * config.headDim,
    tokenizer: {
      entries: tokenizer.vocabSize,
      bos: tokenizer.bosId,
      eos: tokenizer.eosId,
      pad: tokenizer.padId,
      sha256: tokenizer.hash,
    },
    licence: licenceOf(folder),
    tensors,
  };
}

export function renderInspection(found: ModelInspection, withTensors: boolean): string {
  const types = Object.entries(found.parametersByType).map(([type, count]) => `${count} ${type}`);
  const files = readdirSync(found.folder)
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => `${name} (${formatBytes(statSync(join(found.folder, name)).size)})`);
  const rows: [string, string | number][] = [
    ['folder', found.folder],
    ['architecture', `${found.architecture}, ${found.layers} layers of width ${found.hiddenSize}`],
    ['attention', `${found.heads} query and ${found.kvHeads} key-value heads of ${found.headDim}`],
    ['positions', found.maxPositionEmbeddings],
    ['parameters', `${found.parameters} (${types.join(', ')})`],
    ['weights', `${formatBytes(found.bytes)} in ${found.tensors.length} tensors: ${files.join(', ')}`],
    ['embeddings', `${found.vocabulary} rows, ${found.tiedEmbeddings ? 'tied' : 'not tied'} to the output`],
    ['KV cache', `${formatBytes(found.cacheBytesPerToken)} a token (float32)`],
    [
      'tokenizer',
      `${found.tokenizer.entries} entries; BOS ${found.tokenizer.bos}, EOS ${found.tokenizer.eos}, padding ${found.tokenizer.pad}`,
    ],
    ['licence', found.licence],
  ];
  const tensors = found.tensors.map(
    ({ name, dtype, shape, bytes }) => `${name}  ${dtype} [${shape.join(', ')}]  ${formatBytes(bytes)}`,
  );
  return [
    ...rows.map(([label, value]) => `${label.padEnd(12)} ${value}`),
    ...(withTensors ? ['', ...tensors] : []),
  ].join('\n');
}
