/** The most bytes of tensors that were there at once, as tfjs-core creates and frees their data. */
import * as tf from '@tensorflow/tfjs-core';

interface Tracking {
  runKernel: (
    this: unknown,
    name: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes?: object,
  ) => unknown;
  trackTensor: (this: unknown, tensor: tf.TensorInfo & { size: number }, backend: unknown) => void;
  removeDataId: (this: unknown, dataId: object, backend: unknown) => void;
  state: { tensorInfo: WeakMap<object, object> };
}

/** Ops that TensorFlow answers with another handle of the same buffer. */
const VIEWS = ['Reshape', 'Identity', 'ExpandDims'];

interface Buffer {
  bytes: number;
  handles: number;
}

export interface PeakTracker {
  /** Bytes beyond what was there when the tracking began; small change is not counted. */
  peak(): number;
  stop(): void;
}

/** Begins to watch what the engine creates and frees. */
export function trackPeak(): PeakTracker {
  const engine = tf.engine() as unknown as Tracking;
  const { runKernel, trackTensor, removeDataId } = engine;
  const buffers = new Map<object, Buffer>();
  let viewed: Buffer | undefined;
  let live = 0;
  let peak = 0;
  engine.runKernel = function (name, inputs, attributes) {
    const before = viewed;
    const x = VIEWS.includes(name) ? Object.values(inputs)[0] : undefined;
    viewed = x === undefined ? undefined : (buffers.get(x.dataId) ?? { bytes: 0, handles: Infinity });
    try {
      return runKernel.call(this, name, inputs, attributes);
    } finally {
      viewed = before;
    }
  };
  engine.trackTensor = function (tensor, backend) {
    if (!engine.state.tensorInfo.has(tensor.dataId)) {
      const own = { bytes: tensor.size * (tensor.dtype === 'bool' ? 1 : 4), handles: 0 };
      const buffer = viewed ?? own;
      if (buffer === own) live += own.bytes;
      buffer.handles += 1;
      buffers.set(tensor.dataId, buffer);
      peak = Math.max(peak, live);
    }
    trackTensor.call(this, tensor, backend);
  };
  engine.removeDataId = function (dataId, backend) {
    const buffer = buffers.get(dataId);
    if (buffer !== undefined) {
      buffers.delete(dataId);
      buffer.handles -= 1;
      if (buffer.handles === 0) live -= buffer.bytes;
    }
    removeDataId.call(this, dataId, backend);
  };
  return {
    peak: () => peak,
    stop: () => {
      engine.runKernel = runKernel;
      engine.trackTensor = trackTensor;
      engine.removeDataId = removeDataId;
    },
  };
}

/** Runs `f`; the most bytes beyond what was there before. */
export async function peakBytes(f: () => unknown): Promise<number> {
  const tracker = trackPeak();
  try {
    await f();
    return tracker.peak();
  } finally {
    tracker.stop();
  }
}
