/** What files made by kvpress say (see test/golden/README.md for their format), and how far ours is from it. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJson } from '../base/files.js';
import type { Ranking } from '../methods/scoring.js';
import { withSinksAndPadding } from '../methods/selection.js';
import { PAD_POSITION } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { SafetensorsFile } from '../models/safetensors.js';
import { largestDifference } from './verify.js';

const entrySchema = z.looseObject({
  class: z.string(),
  params: z.looseObject({
    compression_ratio: z.number().min(0).lt(1),
    /** Tokens at the context's end that are the question of a question-aware press. */
    question_tokens: z.int().min(1).optional(),
  }),
  selection_defined: z.boolean(),
});
/** How one file was made. */
export type Entry = z.output<typeof entrySchema>;

/** What info.json, in the folder or beside it, says of each file. */
export function readInfo(folder: string): Map<string, Entry> {
  const places = [join(folder, 'info.json'), join(dirname(folder), 'info.json')];
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new UserError('no-reference', 'holds no info.json, nor does the folder above', {
      where: folder,
      hint: 'It says with which press and parameters each file was made; see test/golden/README.md.',
    });
  }
  const whole = readJson(path) as Record<string, unknown>;
  const own = (whole[basename(folder)] ?? whole) as Record<string, unknown>;
  const entries = Object.entries(own).flatMap(([name, value]) => {
    const entry = entrySchema.safeParse(value);
    return entry.success ? [[name, entry.data] as const] : [];
  });
  return new Map(entries);
}

/**
 * Largest difference of one layer's scores, relative to the reference's or, where those have both signs and pass near
 * zero (cosines), to the largest of them. Rows that the reference puts first whatever their score (at its
 * highest value) must come before all others of ours; their values are not compared.
 */
function scoreDifference(ours: Float32Array, reference: Float32Array, tokens: number): number {
  let most = 0;
  const top = reference.reduce((a, b) => Math.max(a, b), -Infinity);
  for (let at = 0; at < reference.length; at += tokens) {
    const own = ours.subarray(at, at + tokens);
    const theirs = reference.subarray(at, at + tokens);
    const rest = [...theirs.keys()].filter((t) => theirs[t] !== top);
    const size = rest.reduce((a, t) => Math.max(a, Math.abs(theirs[t]!)), 0);
    const signed = rest.some((t) => theirs[t]! < 0) && rest.some((t) => theirs[t]! > 0);
    const highest = Math.max(...rest.map((t) => own[t]!));
    for (let t = 0; t < tokens; t++) {
      const apart = Math.abs(own[t]! - theirs[t]!);
      const relative = apart === 0 ? 0 : apart / (signed ? size : Math.abs(theirs[t]!));
      const gap = theirs[t] !== top ? relative : own[t]! > highest ? 0 : relative;
      most = Number.isNaN(gap) ? Infinity : Math.max(most, gap);
    }
  }
  return most;
}

/** Positions of the rows that a layer's heads hold, ascending. */
function keptPositions(cache: KvCache, layer: number, heads: number): number[][] {
  const [only] = cache.positions[layer]!.arraySync();
  return Array.from({ length: heads }, (_, head) =>
    (only![head] ?? only![0]!).filter((position) => position < PAD_POSITION).sort((a, b) => a - b),
  );
}

/** One file, and the sizes of what it holds. */
export interface Reference {
  file: SafetensorsFile;
  layers: number;
  heads: number;
  /** Of all that was prefilled. */
  tokens: number;
  /** Of them, those at the end that are the question. */
  asking: number;
}

/** Positions of the context that the reference keeps, ascending, per layer and head. */
function referencePositions(reference: Reference): number[][][] {
  const end = reference.tokens - reference.asking;
  return allReferencePositions(reference).map((heads) =>
    heads.map((own) => own.filter((position) => position < end)),
  );
}

function allReferencePositions({ file, layers, heads, tokens }: Reference): number[][][] {
  return Array.from({ length: layers }, (_, layer) => {
    if (file.has(`kept.${layer}`)) {
      const { data } = file.readInt(`kept.${layer}`);
      const width = data.length / heads;
      return Array.from({ length: heads }, (_, head) => [...data.subarray(head * width, (head + 1) * width)]);
    }
    const { data } = file.readInt(`keep_mask.${layer}`);
    return Array.from({ length: heads }, (_, head) =>
      Array.from({ length: tokens }, (_, t) => t).filter((t) => data[head * tokens + t] === 1),
    );
  });
}

/** Kept rows that differ from the reference's, of all. */
export function compareKept(cache: KvCache, reference: Reference): { different: number; of: number } {
  const wanted = referencePositions(reference);
  let different = 0;
  let of = 0;
  wanted.forEach((byHead, layer) => {
    const ours = keptPositions(cache, layer, reference.heads);
    byHead.forEach((positions, head) => {
      const own = new Set(ours[head]);
      of += positions.length;
      different += positions.filter((position) => !own.has(position)).length;
      different += Math.max(0, own.size - positions.length);
    });
  });
  return { different, of };
}

/** `scores` [heads, tokens] without those of the question. */
function ofContext(scores: Float32Array, { heads, tokens, asking }: Reference): Float32Array {
  const end = tokens - asking;
  const own = new Float32Array(heads * end);
  for (let head = 0; head < heads; head++) {
    own.set(scores.subarray(head * tokens, head * tokens + end), head * end);
  }
  return own;
}

/** Largest relative difference of the scores of all layers (see `scoreDifference`). */
export function compareScores(ranking: Ranking, reference: Reference): number {
  const { file, heads, tokens, asking } = reference;
  return ranking.scores.reduce((most, score, layer) => {
    const ours = tf.tidy(() => {
      const whole = withSinksAndPadding(score, ranking.extents, ranking.sinks);
      return tf.broadcastTo(whole, [1, heads, tokens]).dataSync();
    }) as Float32Array;
    const theirs = file.readFloat(`scores.${layer}`).data;
    const difference = scoreDifference(
      ofContext(ours, reference),
      ofContext(theirs, reference),
      tokens - asking,
    );
    return Math.max(most, difference);
  }, 0);
}

/** Largest difference of kept rows' keys in order of position, as the reference lists re-rotated ones; undefined where it has none. */
export function compareKeys(cache: KvCache, file: SafetensorsFile): number | undefined {
  if (!file.has('keys.0')) return undefined;
  const differences = cache.keys.map((keys, layer) =>
    largestDifference(keys.dataSync(), file.readFloat(`keys.${layer}`).data),
  );
  return Math.max(...differences);
}
