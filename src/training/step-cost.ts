/** What a training step takes, found by taking it without numbers. */
import * as tf from '@tensorflow/tfjs-core';
import { keptRows } from '../base/rounding.js';
import { withShapes, type Work } from '../engine/shapes.js';
import { disposeAdapter, type Adapter, type Trainable } from '../methods/trainable.js';
import type { ModelConfig } from '../models/config.js';
import { randomDecoder } from '../models/random-decoder.js';
import { AdamW } from './adamw.js';
import type { DistillOptions } from './distill.js';
import type { Example } from './examples.js';
import { openCourse, takeStep, type MicroBatch } from './step.js';

export interface StepCost {
  /** Parameters of the frozen model, and those that are trained. */
  parameters: number;
  trained: number;
  /** Bytes of tensors that stay, and the most that a step needs beside them. */
  memory: { weights: number; adapter: number; optimiser: number; gradients: number; activations: number };
  /** Of a step of one micro-batch, and of one of two. */
  work: [one: Work[], two: Work[]];
}

/** Lengths of the examples, tokens. */
export interface ExampleLengths {
  context: number;
  continuation: number;
}

function batchesOf(
  options: DistillOptions,
  { context, continuation }: ExampleLengths,
  count: number,
): MicroBatch[] {
  const example: Example = {
    id: 'any',
    context: Array<number>(context).fill(0),
    continuation: Array<number>(continuation).fill(0),
    targets: Array.from({ length: continuation - 1 }, (_, t) => t),
  };
  const { micro_batch_size: size, retention_max } = options;
  const examples = Array.from({ length: size }, () => example);
  const kept = examples.map(() => keptRows(retention_max, context));
  return Array.from({ length: count }, () => ({ examples, kept, share: 1 / count }));
}

/**
 * Cost of a step of examples of these lengths.
 * @param fused whether the engine has our own kernels
 */
export function stepCost<A extends Adapter>(
  config: ModelConfig,
  trainable: Trainable<A>,
  methodOptions: unknown,
  options: DistillOptions,
  lengths: ExampleLengths,
  fused: boolean,
): Promise<StepCost> {
  return withShapes(fused, (backend) => {
    const stages = [backend.live];
    const grown = (): number => {
      stages.push(backend.live);
      return backend.live - stages.at(-2)!;
    };
    const model = randomDecoder(config, 1);
    const weights = grown();
    const adapter = trainable.fresh(config, methodOptions, 1);
    const adapterBytes = grown();
    const course = openCourse(model, trainable, adapter, options);
    const optimiser = new AdamW(course.trained, options);
    const optimiserBytes = grown();
    backend.peak = backend.live;
    const workOf = (count: number): Work[] => {
      backend.work = [];
      const step = 1 + (options.fold_warmup_steps ?? 0);
      takeStep(course, optimiser, batchesOf(options, lengths, count), step, '');
      return backend.work;
    };
    // The first step has the model's matrices packed, which later ones find.
    workOf(1);
    const work: StepCost['work'] = [workOf(1), options.gradient_accumulation_steps > 1 ? workOf(2) : []];
    const trained = Object.values(course.trained).reduce((sum, { size }) => sum + size, 0);
    const beside = backend.peak - stages.at(-1)!;
    optimiser.dispose();
    tf.dispose(Object.values(course.parameters));
    disposeAdapter(trainable, adapter);
    model.dispose();
    return {
      parameters: weights / 4,
      trained,
      memory: {
        weights,
        adapter: adapterBytes,
        optimiser: optimiserBytes,
        gradients: 4 * trained,
        activations: beside - 4 * trained,
      },
      work,
    };
  });
}
