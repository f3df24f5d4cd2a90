/** Gradient checkpointing (arXiv 1604.06174): what the backward pass needs is computed a second time, not kept. */
import * as tf from '@tensorflow/tfjs-core';

type Tensors = Readonly<Record<string, tf.Tensor>>;

export interface Checkpointed {
  /** Tensors to which gradients flow. */
  inputs: Tensors;
  /** Tensors to which none do. */
  constants: Tensors;
  /** Variables that the function reads by itself, and to which gradients flow. */
  variables: readonly tf.Variable[];
}

function asOne(tensors: readonly tf.Tensor[]): tf.Tensor1D {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]) as tf.Tensor1D));
}

/** Gradients of `f` apart from the tape of a backward pass that is under way: tfjs has but one place for a tape. */
function gradientsApart(f: () => tf.Tensor, of: tf.Tensor[], dy: tf.Tensor): (tf.Tensor | undefined)[] {
  const { state } = tf.engine();
  const tape = state.activeTape;
  try {
    return tf.engine().gradients(f, of, dy, true).grads;
  } finally {
    state.activeTape = tape;
  }
}

/**
 * What `f` makes of inputs and constants, by name. Between the forward and the backward pass only these and its
 * results are kept; the backward pass runs `f` again. Without a gradient tape it is `f` alone. Gradients of gradients
 * are not supported.
 * @param f gives the same results each time; all that it reads beside its tensors outlives the backward pass
 */
export function checkpoint(
  f: (tensors: Tensors) => tf.Tensor[],
  { inputs, constants, variables }: Checkpointed,
): tf.Tensor[] {
  const names = [...Object.keys(inputs), ...Object.keys(constants)];
  const count = Object.keys(inputs).length;
  const named = (tensors: readonly tf.Tensor[]): Tensors =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  const shapes: number[][] = [];
  const run = tf.customGrad((...given) => {
    const save = given.pop() as tf.GradSaveFunc;
    const kept = [...(given as tf.Tensor[]).slice(0, count), ...Object.values(constants)];
    save(kept);
    const results = f(named(kept));
    shapes.push(...results.map(({ shape }) => shape));
    return {
      value: asOne(results),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const sources = [...saved.slice(0, count), ...variables];
        const gradients = gradientsApart(() => asOne(f(named(saved))), sources, dy);
        return sources.map((source, i) => gradients[i] ?? tf.zerosLike(source));
      },
    };
  });
  const joined = run(...Object.values(inputs), ...variables) as tf.Tensor1D;
  const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  return tf.split(joined, sizes).map((part, i) => tf.reshape(part, shapes[i]!));
}
