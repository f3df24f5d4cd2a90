/** Checks of our methods against files that kvpress made (see test/golden/README.md for their format). */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import { startEngine } from '../engine/index.js';
import { methods } from '../methods/index.js';
import { fromKvpress, type FromKvpress } from '../methods/kvpress.js';
import type { CompressionRequest, Method } from '../methods/method.js';
import { disposeRanking, isScoring, keepRanked, rankTidily, type Ranking } from '../methods/scoring.js';
import { keepTopRows } from '../methods/selection.js';
import { makeBatch } from '../models/batch.js';
import { disposeCache, type KvCache } from '../models/cache.js';
import { loadDecoder } from '../models/checkpoint.js';
import type { Decoder } from '../models/decoder.js';
import { greedy } from '../models/generate.js';
import { openSafetensors, type SafetensorsFile } from '../models/safetensors.js';
import {
  compareKept,
  compareKeys,
  compareScores,
  readInfo,
  type Entry,
  type Reference,
} from './kvpress-reference.js';
import { largestDifference } from './verify.js';

/** Relative tolerance of scores; they carry the float32 error of all layers before. */
export const SCORE_TOLERANCE = 1e-4;
/** Absolute and relative tolerance of logits and re-rotated keys. */
export const LOGIT_TOLERANCE = 1e-4;

export interface PressCheck {
  /** Name of the file. */
  name: string;
  /** Our method and its options; absent where we have none for this press. */
  method?: string;
  options?: Record<string, unknown>;
  /** Kept rows that differ, of all; undefined where the reference's own selection is a matter of chance. */
  kept?: { different: number; of: number };
  /** Largest |ours − reference| / |reference|; undefined where the scale is not the reference's. */
  scores?: number;
  /** Largest |ours − reference| / (1 + |reference|) of the continuation's logits. */
  logits?: number;
  /** Of re-rotated keys, likewise. */
  keys?: number;
  /** Whether greedy decoding gives the reference's tokens. */
  greedy?: boolean;
  passed: boolean;
  note: string;
}

/** What our method makes of the reference's context: its ranking, and the compressed cache. */
interface Ours {
  ranking: Ranking | undefined;
  cache: KvCache;
}

function compressAsReference(
  request: CompressionRequest,
  { method, options, scores: kind }: FromKvpress<Method>,
  { file, layers, heads, tokens }: Reference,
): Ours {
  if (kind !== 'given') {
    const { cache } = method.compress(request, options);
    return { cache, ranking: isScoring(method) ? rankTidily(method, request, options) : undefined };
  }
  const cache = tf.tidy(() => {
    const batch = makeBatch(request.contexts);
    const scores = Array.from({ length: layers }, (_, layer) =>
      tf.tensor3d(file.readFloat(`scores.${layer}`).data, [1, heads, tokens]),
    );
    const whole = request.model.forward(batch, { cacheOnly: true }).cache;
    return keepTopRows(whole, scores, batch, request.kept, 0);
  });
  return { cache, ranking: undefined };
}

function checkFile(
  model: Decoder,
  file: SafetensorsFile,
  entry: Entry,
  name: string,
  ids: { context: number[]; continuation: number[] },
): PressCheck {
  const found = fromKvpress(methods, entry.class, entry.params);
  if (found === undefined) {
    return { name, passed: true, note: `skipped: no method here is ${entry.class} with these parameters` };
  }
  const { method, options, scores: kind } = found;
  const { length } = ids.context;
  const asking = entry.params.question_tokens ?? 0;
  const asked = length * (1 - entry.params.compression_ratio) - asking;
  const request = {
    model,
    contexts: [ids.context.slice(0, length - asking)],
    questions: [ids.context.slice(length - asking)],
    kept: [Math.max(1, Math.floor(asked))],
    asked: [asked],
  };
  const { numLayers: layers, numKvHeads: heads } = model.config;
  const reference = { file, layers, heads, tokens: length, asking };
  const { cache, ranking } = compressAsReference(request, found, reference);
  try {
    const scored = ranking !== undefined && kind === 'values';
    const scores = scored ? compareScores(ranking, reference) : undefined;
    const label = { name, method: method.name, options };
    const scoresFit = scores === undefined || scores <= SCORE_TOLERANCE;
    if (!entry.selection_defined) {
      const note = 'scores tie at the cut: the selection is left to chance';
      return { ...label, ...(scores !== undefined && { scores }), passed: scoresFit, note };
    }
    const keys = compareKeys(cache, file);
    const kept = tf.tidy(() =>
      // Rows that moved up are recognised by where they stood.
      compareKept(keys === undefined ? cache : keepRanked(ranking!).cache, reference),
    );
    if (asking > 0) {
      const note = 'the reference keeps rows of the question, so that it speaks otherwise';
      const passed = kept.different === 0 && scoresFit;
      return { ...label, kept, ...(scores !== undefined && { scores }), passed, note };
    }
    const logits = tf.tidy(() => {
      const batch = makeBatch([ids.continuation], { starts: cache.nextPositions });
      return model.logits(model.forward(batch, { past: cache }).hidden).dataSync();
    }) as unknown as Float32Array;
    const difference = largestDifference(logits, file.readFloat('continuation_logits').data);
    const wanted = [...file.readInt('greedy_ids').data];
    const [tokens] = greedy(model, cache, [ids.continuation.slice(0, 1)], {
      maxNewTokens: wanted.length,
      eosIds: [],
    });
    const same = tokens!.join() === wanted.join();
    return {
      ...label,
      kept,
      ...(scores !== undefined && { scores }),
      logits: difference,
      ...(keys !== undefined && { keys }),
      greedy: same,
      passed:
        kept.different === 0 &&
        scoresFit &&
        difference <= LOGIT_TOLERANCE &&
        (keys ?? 0) <= LOGIT_TOLERANCE &&
        same,
      note: NOTES[kind],
    };
  } finally {
    disposeCache(cache);
    if (ranking !== undefined) disposeRanking(ranking);
  }
}

const NOTES = {
  values: '',
  order: 'scores are on another scale, the order is the same',
  given: "selected by the reference's own scores, which another generator drew",
} as const;

/** Each file of `folder`, made with the model in `modelFolder`, against what our method of that name makes. */
export async function verifyKvpress(modelFolder: string, folder: string): Promise<PressCheck[]> {
  const info = readInfo(folder);
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.safetensors') && info.has(file.replace(/\.safetensors$/, '')))
    .map((file) => file.replace(/\.safetensors$/, ''))
    .sort();
  if (names.length === 0 || !existsSync(join(folder, 'full.safetensors'))) {
    throw new UserError('no-reference', 'holds no full.safetensors with files that info.json describes', {
      where: folder,
      hint: 'See test/golden/README.md for the format.',
    });
  }
  await startEngine();
  const full = openSafetensors(join(folder, 'full.safetensors'));
  const ids = {
    context: [...full.readInt('context_ids').data],
    continuation: [...full.readInt('continuation_ids').data],
  };
  full.close();
  const model = loadDecoder(modelFolder);
  try {
    return names.map((name) => {
      const file = openSafetensors(join(folder, `${name}.safetensors`));
      try {
        return checkFile(model, file, info.get(name)!, name, ids);
      } finally {
        file.close();
      }
    });
  } finally {
    model.dispose();
  }
}

function amount(label: string, value: number | undefined): string {
  return value === undefined ? '' : `  ${label} ${value === 0 ? '0' : value.toExponential(1)}`;
}

/** The checks as lines. */
export function renderPressChecks(checks: readonly PressCheck[]): string {
  const lines = checks.map(({ name, method, kept, scores, logits, keys, greedy, passed, note }) =>
    [
      method === undefined ? 'skip' : passed ? 'ok  ' : 'FAIL',
      ` ${name.padEnd(32)}`,
      kept === undefined ? '' : `  kept ${kept.of - kept.different}/${kept.of}`,
      amount('scores', scores),
      amount('logits', logits),
      amount('keys', keys),
      greedy === undefined ? '' : `  greedy ${greedy ? 'same' : 'other'}`,
      note === '' ? '' : `  (${note})`,
    ].join(''),
  );
  const done = checks.filter(({ method }) => method !== undefined);
  const passed = done.filter((check) => check.passed).length;
  const summary = `${passed} of ${done.length} as the reference; scores within ${SCORE_TOLERANCE} relative, logits within ${LOGIT_TOLERANCE}`;
  return [...lines, summary].join('\n');
}
