/** The engine that needs nothing native: WebAssembly, one thread, several times slower. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from './engine.js';

const require = createRequire(import.meta.url);

/** tfjs-backend-wasm lacks the gradient of gather: rows of `x` added up by segment. */
function registerSegmentSum(): void {
  tf.registerKernel({
    kernelName: 'UnsortedSegmentSum',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
      const { numSegments } = attrs as unknown as { numSegments: number };
      const store = backend as {
        readSync(id: object): Float32Array | Int32Array;
        makeOutput(shape: number[], dtype: tf.DataType, values: Float32Array): tf.TensorInfo;
        write(values: Float32Array, shape: number[], dtype: tf.DataType): object;
      };
      const values = store.readSync(x.dataId);
      const segments = store.readSync(segmentIds.dataId);
      const width = values.length / Math.max(1, segments.length);
      const sums = new Float32Array(numSegments * width);
      segments.forEach((segment, row) => {
        if (segment < 0) return;
        for (let i = 0; i < width; i++) sums[segment * width + i]! += values[row * width + i]!;
      });
      const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
      return { dataId: store.write(sums, shape, x.dtype), shape, dtype: x.dtype };
    },
  });
}

export const wasm: Engine = {
  name: 'wasm',
  summary: 'WebAssembly on one thread: needs nothing native, several times slower',
  reference: '@tensorflow/tfjs-backend-wasm 4.22',
  probe: () => Promise.resolve({ available: true }),
  start: async () => {
    const entry = require.resolve('@tensorflow/tfjs-backend-wasm');
    // The union package registers the gradients of all operations, which tfjs-core in Node does not.
    require('@tensorflow/tfjs');
    const backend = require(entry) as { setWasmPaths(prefix: string): void };
    backend.setWasmPaths(`${dirname(join(entry))}/`);
    registerSegmentSum();
    if (!(await tf.setBackend('wasm'))) throw new Error('WebAssembly did not start');
    await tf.ready();
  },
  device: () => 'CPU (WebAssembly)',
};
