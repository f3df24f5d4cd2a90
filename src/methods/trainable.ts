/** What a method that is trained must bring, besides the compression itself. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import type { TokenBatch } from '../models/batch.js';
import type { KvCache } from '../models/cache.js';
import type { ModelConfig } from '../models/config.js';
import type { Decoder } from '../models/decoder.js';

/** What training learns. Only the method that it belongs to looks inside. */
export interface Adapter {
  /** Name and version of its settings file. */
  readonly format: string;
}

/** Contexts, or their folds, to be encoded with gradients. */
export interface EncodeRequest {
  model: Decoder;
  batch: TokenBatch;
  /** Rows to keep of each. */
  kept: readonly number[];
  /** Residual stream after the method's frozen layers, [batch·tokens, hidden]; absent where it wants none. */
  hidden?: tf.Tensor2D | undefined;
}

/** What the student attends to. */
export interface Encoding {
  /** As `compress` leaves it, but that evicted rows may be hidden where they are not gone. */
  cache: KvCache;
  /** Added to attention logits on its rows, [batch, kvHeads or 1, rows]. */
  bias?: tf.Tensor3D | undefined;
}

/** How a method is trained, and how what it learns is kept. */
export interface Trainable<A extends Adapter = Adapter> {
  readonly format: string;
  /** Files of a saved adapter, in the order in which they are hashed. */
  readonly files: readonly string[];
  /** An untrained adapter, made of variables. */
  fresh(config: ModelConfig, options: unknown, seed: number): A;
  /** Everything of an adapter but its tensors. */
  settings(adapter: A): Record<string, unknown>;
  /** Those that a training may choose anew when it goes on from an adapter; none unless given. */
  readonly newSettings?: readonly string[];
  /** All tensors of an adapter by name. */
  tensors(adapter: A): Record<string, tf.Tensor>;
  /** Those that training changes; variables where `fresh` made them. */
  trained(adapter: A): Record<string, tf.Variable>;
  /** Layers of the frozen model that `encode` wants to have been run; undefined for none. */
  frozenLayers(adapter: A): number | undefined;
  /** Differentiable encoding; gives a student the logits that it has from what `compress` returns. */
  encode(request: EncodeRequest, adapter: A): Encoding;
  save(folder: string, adapter: A, baseModel: string): void;
  /** Refuses what was made for another model. */
  load(folder: string, config: ModelConfig): A;
}

/** Frees the tensors of an adapter. */
export function disposeAdapter<A extends Adapter>(trainable: Trainable<A>, adapter: A): void {
  tf.dispose(Object.values(trainable.tensors(adapter)));
}

/** The adapter that a method was given, if it is its own. */
export function requireAdapter<A extends Adapter>(
  method: string,
  trainable: Trainable<A>,
  given: Adapter | undefined,
): A {
  if (given?.format === trainable.format) return given as A;
  const found = given === undefined ? '' : `, not one in format ${given.format}`;
  throw new UserError('no-adapter', `method ${method} needs an adapter trained for it${found}`, {
    hint: 'Train one with `kvd train`, or name its folder with `--adapter`.',
  });
}
