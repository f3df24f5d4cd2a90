/** What ops of our own leave for the backward pass: one node of tfjs-core's tape for as many as belong together. */
import * as tf from '@tensorflow/tfjs-core';

/** An op that was run, as its gradient needs it. */
export interface Step {
  /** All that it made, and those of it to which slopes may come. */
  made: tf.Tensor[];
  slopesTo: tf.Tensor[];
  /** What the gradient reads. */
  read: tf.Tensor[];
  /** Tensors whose gradients `gradients` gives, in this order. */
  of: tf.Tensor[];
  gradients: (read: tf.Tensor[], slopes: tf.Tensor[]) => tf.Tensor[];
}

/** A node as tfjs-core walks them; null where no slope came to an output. */
interface TapeNode {
  id: number;
  kernelName: string;
  inputs: tf.NamedTensorMap;
  outputs: tf.Tensor[];
  /** What tfjs-core frees at the end of the backward pass; `gradient` has freed it before, where slopes came. */
  saved: tf.Tensor[];
  gradient(slopes: (tf.Tensor | null)[]): Record<string, () => tf.Tensor>;
}

/** Those of the node that is being recorded. */
let steps: Step[] | undefined;

/** Whether what runs now is recorded for a backward pass. */
export function recording(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return steps !== undefined || (gradientDepth > 0 && kernelDepth === 0);
}

/** Another handle of a tensor's memory. */
export function another(tensor: tf.Tensor): tf.Tensor {
  const { dataId, shape, dtype } = tensor;
  tf.backend().incRef(dataId);
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype });
}

/** Adds a step to the node that `together` records. */
export function note(step: Step): void {
  steps?.push(step);
}

/**
 * Runs `f`, recorded as one node of the tape instead of one for each op: what tfjs-core does for a node takes as long as
 * a small op. Gradients flow through the steps noted in `f` alone, not through tfjs-core's ops.
 * @param f gives tensors by name or in a list
 */
export function together<T extends object>(f: () => T): T {
  if (steps !== undefined || !recording()) return f();
  const { state } = tf.engine();
  const own: Step[] = [];
  let results: T;
  steps = own;
  state.kernelDepth += 1;
  try {
    results = f();
  } finally {
    state.kernelDepth -= 1;
    steps = undefined;
  }
  const outputs = Object.values(results).filter((result): result is tf.Tensor => result instanceof tf.Tensor);
  (state.activeTape as unknown as TapeNode[]).push(nodeOf(own, outputs));
  return results;
}

function nodeOf(own: readonly Step[], results: readonly tf.Tensor[]): TapeNode {
  const { state } = tf.engine();
  const made = new Set(own.flatMap((step) => step.made));
  const outputs = results.filter((result) => made.has(result));
  const sources = own.flatMap((step) => step.of).filter((tensor) => !made.has(tensor));
  const saved = new Map<tf.Tensor, tf.Tensor>();
  const save = (tensor: tf.Tensor): tf.Tensor => {
    if (tensor instanceof tf.Variable) return tensor;
    const known = saved.get(tensor);
    if (known !== undefined) return known;
    // What nobody else has needs no handle of its own.
    const kept = tf.keep(made.has(tensor) && !outputs.includes(tensor) ? tensor : another(tensor));
    saved.set(tensor, kept);
    return kept;
  };
  const reads = own.map(({ read }) => read.map(save));
  return {
    id: state.nextTapeNodeId++,
    kernelName: 'kvd',
    inputs: Object.fromEntries(sources.map((tensor) => [tensor.id, tensor])),
    outputs,
    saved: [...saved.values()],
    gradient: (given) => {
      const gradients = tf.tidy(() => {
        const slopes = slopesOf(own, reads, outputs, given);
        return sources.map((tensor) => slopes.get(tensor) ?? []);
      });
      tf.dispose([...saved.values()]);
      // Asked for where tfjs-core wants it: a sum that nobody wants is not made.
      const gradientOf = ({ shape }: tf.Tensor, parts: tf.Tensor[]): tf.Tensor => {
        const whole = total(parts, shape);
        // What came in is somebody else's.
        return given.includes(whole) ? another(whole) : whole;
      };
      return Object.fromEntries(
        sources.map((tensor, i) => [tensor.id, () => gradientOf(tensor, gradients[i]!)]),
      );
    },
  };
}

function total(parts: readonly tf.Tensor[], shape: number[]): tf.Tensor {
  return parts.length === 0 ? tf.zeros(shape) : parts.reduce((sum, part) => tf.add(sum, part));
}

/** What the slopes of all tensors that steps read are the sums of, from those of their results. */
function slopesOf(
  own: readonly Step[],
  reads: readonly tf.Tensor[][],
  outputs: readonly tf.Tensor[],
  given: readonly (tf.Tensor | null)[],
): Map<tf.Tensor, tf.Tensor[]> {
  const slopes = new Map<tf.Tensor, tf.Tensor[]>();
  const add = (tensor: tf.Tensor, slope: tf.Tensor): void => {
    const known = slopes.get(tensor);
    if (known === undefined) slopes.set(tensor, [slope]);
    else known.push(slope);
  };
  outputs.forEach((output, i) => given[i] && add(output, given[i]));
  for (let i = own.length - 1; i >= 0; i--) {
    const { slopesTo, of, gradients } = own[i]!;
    if (!slopesTo.some((tensor) => slopes.has(tensor))) continue;
    const theirs = slopesTo.map((tensor) => total(slopes.get(tensor) ?? [], tensor.shape));
    gradients(reads[i]!, theirs).forEach((gradient, k) => add(of[k]!, gradient));
  }
  return slopes;
}
