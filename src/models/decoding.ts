/** Greedy decoding behind a cache, step by step: in place where the engine can, else by ordinary passes. */
import * as tf from '@tensorflow/tfjs-core';
import { fusedAvailable } from '../engine/fused.js';
import { makeBatch } from './batch.js';
import { appendCache, disposeCache, selectSequences, type KvCache } from './cache.js';
import { decodeStep, withRoom } from './decode-step.js';
import type { Decoder } from './decoder.js';

/** Most rows that are made room for at once: what is decoded may end long before it must. */
const ROOM = 256;

/** Sequences that are being decoded, and what they look back at. */
export class Decoding {
  private past: KvCache | undefined;
  /** Rows of each layer that hold something, where there is room behind them, and how much. */
  private room: { rows: number[]; left: number } | undefined;

  /**
   * @param given what the sequences look back at first; it stays as it is
   * @param left how many tokens each will go on for at most
   */
  constructor(
    private readonly model: Decoder,
    private readonly given: KvCache | undefined,
    private left: number,
  ) {
    this.past = given;
  }

  /**
   * Runs the sequences' next tokens.
   * @param inputs of each sequence, none empty; of more than one token only before the first step
   * @returns the likeliest token behind each
   */
  advance(inputs: readonly (readonly number[])[]): number[] {
    this.left -= 1;
    const single = inputs.every(({ length }) => length === 1);
    return this.past !== undefined && single && fusedAvailable()
      ? this.advanceInPlace(this.past, inputs.flat())
      : this.advanceByPass(this.past, inputs);
  }

  private advanceInPlace(before: KvCache, tokens: readonly number[]): number[] {
    if (this.room === undefined || this.room.left === 0) {
      const more = Math.min(ROOM, 1 + Math.max(0, this.left));
      const rows = this.room?.rows ?? before.keys.map(({ shape }) => shape[2]);
      this.replace(tf.tidy(() => withRoom(before, more)));
      this.room = { rows, left: more };
    }
    const past = this.past!;
    const { rows, left } = this.room;
    const [next, logits] = decodeStep(this.model, past, rows, tokens);
    this.room = { rows: rows.map((row) => row + 1), left: left - 1 };
    this.past = { ...past, nextPositions: past.nextPositions.map((position) => position + 1) };
    const chosen = Array.from(next.dataSync());
    tf.dispose([next, logits]);
    return chosen;
  }

  private advanceByPass(before: KvCache | undefined, inputs: readonly (readonly number[])[]): number[] {
    let tokens: number[] = [];
    const after = tf.tidy(() => {
      const batch = makeBatch(inputs, before === undefined ? {} : { starts: before.nextPositions });
      const result = this.model.forward(batch, before === undefined ? {} : { past: before, join: true });
      const last = batch.lengths.map((length, row) => row * batch.tokens + length - 1);
      const hidden = tf.gather(result.hidden, tf.tensor1d(last, 'int32'));
      tokens = Array.from(tf.argMax(this.model.logits(hidden), 1).dataSync());
      if (before === undefined) return result.cache;
      return result.joined ?? appendCache(before, result.cache);
    });
    this.replace(after);
    return tokens;
  }

  /** Goes on with these sequences alone, in this order. */
  select(sequences: readonly number[]): void {
    this.replace(selectSequences(this.past!, sequences));
  }

  private replace(next: KvCache): void {
    this.dispose();
    this.past = next;
  }

  /** Frees all but what was given. */
  dispose(): void {
    if (this.past !== undefined && this.past !== this.given) disposeCache(this.past);
    this.past = undefined;
  }
}
