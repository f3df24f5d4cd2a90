/** Key re-rotation: kept rows move up to the positions that they would have alone. */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { PAD_POSITION } from '../models/batch.js';
import { evenCounts, gatherRows, type KvCache } from '../models/cache.js';
import { applyRotary } from '../models/ops.js';
import { RotaryCache } from '../models/rotary-cache.js';
import { ofPress } from './kvpress.js';
import { keepRanked } from './scoring.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

/** Order of rows by position, and how far each moves to stand in a row from `start` on; padding stays behind. */
function moves(
  positions: Float32Array,
  width: number,
  startOf: (list: number) => number,
): { order: Int32Array; to: Float32Array; by: Int32Array } {
  const order = new Int32Array(positions.length);
  const to = new Float32Array(positions.length);
  const by = new Int32Array(positions.length);
  for (let list = 0; list * width < positions.length; list++) {
    const own = positions.subarray(list * width, (list + 1) * width);
    const sorted = [...own.keys()].sort((a, b) => own[a]! - own[b]!);
    sorted.forEach((row, i) => {
      const at = list * width + i;
      const held = own[row]! < PAD_POSITION;
      order[at] = row;
      to[at] = held ? startOf(list) + i : PAD_POSITION;
      by[at] = held ? own[row]! - to[at]! : 0;
    });
  }
  return { order, to, by };
}

/** `cache` with its rows in order and next to each other, keys turned back by as far as they moved. */
function closeUp(
  cache: KvCache,
  starts: readonly number[],
  kept: readonly number[],
  rotary: RotaryCache,
): KvCache {
  const layers = cache.keys.map((_, layer) => {
    const before = cache.positions[layer]!;
    const [, heads, width] = before.shape;
    const values = before.dataSync() as Float32Array;
    return {
      shape: before.shape,
      width,
      ...moves(values, width, (list) => starts[Math.floor(list / heads)]!),
    };
  });
  const orders = layers.map(({ order, shape }) => tf.tensor3d(order, shape, 'int32'));
  const sorted = gatherRows(cache, orders, evenCounts(kept, layers.length));
  const keys = sorted.keys.map((own, layer) => {
    const { by, shape, width } = layers[layer]!;
    const [batch, kvHeads, , headDim] = own.shape;
    const { cos, signedSin } = rotary.table(by, 1);
    const spread = (table: tf.Tensor): tf.Tensor =>
      tf.broadcastTo(tf.reshape(table, [...shape, headDim]), [batch, kvHeads, width, headDim]);
    return applyRotary(own, { cos: spread(cos), signedSin: tf.neg(spread(signedSin)) });
  });
  return {
    ...sorted,
    keys,
    positions: layers.map(({ to, shape }) => tf.tensor3d(to, shape)),
    nextPositions: starts.map((start, row) => start + kept[row]!),
  };
}

/**
 * kvpress's KeyRerotationPress: rows in order of position, keys rotated by their new position less their old one, and
 * what follows goes on behind them, at the number of rows kept. In folds, each fold's rows move to where it begins.
 */
export const keyRerotation = defineWrapper(scorings, {
  name: 'key-rerotation',
  summary: "Kept rows close up to positions next to each other, by another method's scores",
  reference: 'kvpress KeyRerotationPress; StreamingLLM, arXiv 2309.17453, places rows so',
  kvpress: {
    press: 'KeyRerotationPress',
    options: ofPress(scorings),
  },
  options: z.strictObject({ of: ofOption(scorings, 'streaming') }),
  ownPositions: true,
  rank: (request, { method, options }) => method.rank(request, options),
  keep: (request, ranking) => {
    const { cache, kept } = keepRanked(ranking);
    const { rope, headDim } = request.model.config;
    const rotary = new RotaryCache(rope, headDim);
    try {
      return { cache: closeUp(cache, ranking.extents.starts, request.kept, rotary), kept };
    } finally {
      rotary.dispose();
    }
  },
});
