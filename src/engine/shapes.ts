/**
 * Runs tensor code without numbers: every op makes a tensor of the right shape and type that holds nothing. So the work
 * and the memory of a model of any size are found by running the very code that will run.
 */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { enableFused } from './fused.js';
import { fusedRunner } from './fused-shapes.js';
import { registerShapeKernels } from './shape-kernels.js';

const PLAIN = 'shapes';
const FUSED = 'shapes-fused';

interface Holding {
  bytes: number;
  size: number;
  dtype: tf.DataType;
  references: number;
}

/** What one op takes. */
export interface Work {
  /** Of matrix products; a multiplication and an addition are two. */
  flops: number;
  /** Read and written. */
  bytes: number;
  /** Bytes that TensorFlow holds for itself meanwhile, on a CPU. */
  scratch: number;
}

/** Bookkeeping in the place of memory. */
export class ShapesBackend extends tf.KernelBackend {
  /** Bytes of all tensors; views share theirs. */
  live = 0;
  peak = 0;
  work: Work[] = [];
  private readonly holdings = new Map<object, Holding>();

  private holding(id: object): Holding {
    const found = this.holdings.get(id);
    if (found === undefined) throw new Error('a tensor of another engine was given to the shapes engine');
    return found;
  }

  /** A tensor that holds nothing. */
  make(shape: number[], dtype: tf.DataType): tf.TensorInfo {
    const size = shape.reduce((a, b) => a * b, 1);
    const bytes = size * (dtype === 'bool' ? 1 : 4);
    const dataId = {};
    this.holdings.set(dataId, { bytes, size, dtype, references: 1 });
    this.live += bytes;
    this.peak = Math.max(this.peak, this.live);
    return { dataId, shape, dtype };
  }

  /** The same data in another shape. */
  view(x: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** Notes an op that reads and writes these tensors. */
  count(flops: number, tensors: readonly tf.TensorInfo[], scratch = 0): void {
    this.work.push({
      ...{ flops, scratch },
      bytes: tensors.reduce((sum, { dataId }) => sum + this.holding(dataId).bytes, 0),
    });
  }

  override write(_values: unknown, shape: number[], dtype: tf.DataType): object {
    return this.make(shape, dtype).dataId;
  }
  override readSync(id: object): Float32Array | Int32Array {
    const { size, dtype } = this.holding(id);
    return dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
  }
  override read(id: object): Promise<Float32Array | Int32Array> {
    return Promise.resolve(this.readSync(id));
  }
  override incRef(id: object): void {
    this.holding(id).references += 1;
  }
  override refCount(id: object): number {
    return this.holdings.get(id)?.references ?? 0;
  }
  override disposeData(id: object, force = false): boolean {
    const holding = this.holdings.get(id);
    if (holding === undefined) return true;
    holding.references -= 1;
    if (holding.references > 0 && !force) return false;
    this.holdings.delete(id);
    this.live -= holding.bytes;
    return true;
  }
  override numDataIds(): number {
    return this.holdings.size;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
}

const backends = new Map<string, ShapesBackend>();

function backendOf(name: string): ShapesBackend {
  const known = backends.get(name);
  if (known !== undefined) return known;
  // It registers the gradients of all ops, which tfjs-core in Node does not.
  createRequire(import.meta.url)('@tensorflow/tfjs');
  const backend = new ShapesBackend();
  registerShapeKernels(name, backend);
  tf.registerBackend(name, () => backend, 0);
  if (name === FUSED) {
    const wrap = (made: tf.TensorInfo): tf.Tensor => tf.engine().makeTensorFromTensorInfo(made, backend);
    enableFused(fusedRunner(backend, wrap), name);
  }
  backends.set(name, backend);
  return backend;
}

/**
 * Runs `f` without numbers; the engine in use before is in use again afterwards.
 * @param fused whether as on an engine with our own kernels (engine/fused.ts), which hold less
 */
export async function withShapes<T>(
  fused: boolean,
  f: (backend: ShapesBackend) => T | Promise<T>,
): Promise<T> {
  const name = fused ? FUSED : PLAIN;
  const backend = backendOf(name);
  const before = tf.engine().backendName as string | undefined;
  await tf.setBackend(name);
  try {
    return await f(backend);
  } finally {
    if (before !== undefined) await tf.setBackend(before);
  }
}

/** Whether tensors hold nothing, so that there is nothing to fill them with. */
export function withoutNumbers(): boolean {
  return backends.has((tf.engine().backendName as string | undefined) ?? '');
}
