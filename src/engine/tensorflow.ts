/** The native engine: @tensorflow/tfjs-node-gpu's addon on libtensorflow, CPU or CUDA GPU. */
import { createRequire } from 'node:module';
import * as util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { abandonHere } from './abandon.js';
import type { Engine } from './engine.js';
import { enableFused, type OpRunner } from './fused.js';
import { ADDON_PACKAGE, addonPackageFolder, addonPath, installedEngine } from './native.js';

const require = createRequire(import.meta.url);
let device = 'not started';

type Execute<Output> = (
  name: string,
  attributes: unknown[],
  inputs: tf.TensorInfo[],
  outputs: number,
) => Output;

interface NativeBackend extends OpRunner {
  isUsingGpuDevice: boolean;
  /** What every op runs through. */
  executeSingleOutput: Execute<tf.TensorInfo>;
  executeMultipleOutputs: Execute<tf.TensorInfo[]>;
}

/** Before each op, a computation may be given up. */
function makeAbandonable(backend: NativeBackend): void {
  const { executeSingleOutput, executeMultipleOutputs } = backend;
  const checked =
    <Output>(execute: Execute<Output>): Execute<Output> =>
    (...call) => {
      abandonHere();
      return execute.apply(backend, call);
    };
  backend.executeSingleOutput = checked(executeSingleOutput);
  backend.executeMultipleOutputs = checked(executeMultipleOutputs);
}

/** tfjs-node 4.22 calls two functions that Node 23 removed. */
function restoreRemovedUtilities(): void {
  const cjs = require('node:util') as Record<string, unknown> & typeof util;
  cjs.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  cjs.isArray ??= Array.isArray;
}

/** A cast to the type that a tensor has already, of which gradients are full, makes another handle rather than a copy. */
function castOnlyOtherTypes(): void {
  const backendName = 'tensorflow';
  const cast = tf.getKernel('Cast', backendName);
  const identity = tf.getKernel('Identity', backendName);
  tf.unregisterKernel('Cast', backendName);
  tf.registerKernel({
    ...cast,
    kernelFunc: (call) => {
      const same =
        (call.inputs.x as tf.TensorInfo).dtype === (call.attrs as { dtype?: unknown } | undefined)?.dtype;
      return (same ? identity : cast).kernelFunc(call);
    },
  });
}

export const tensorflow: Engine = {
  name: 'tensorflow',
  summary: 'Native TensorFlow (CPU, or a CUDA GPU where set up with --gpu)',
  reference: `${ADDON_PACKAGE} 4.22 on libtensorflow 2.21`,
  probe: () => {
    const remedy = 'kvd setup';
    if (addonPackageFolder() === undefined) {
      return Promise.resolve({
        available: false,
        reason: `the npm package ${ADDON_PACKAGE} is not installed`,
        remedy: `npm install --ignore-scripts ${ADDON_PACKAGE}@4.22.0 && ${remedy}`,
      });
    }
    if (installedEngine() === undefined) {
      return Promise.resolve({ available: false, reason: 'libtensorflow is not set up', remedy });
    }
    return Promise.resolve({ available: true });
  },
  start: async () => {
    // Both must stand in the environment before the library loads: they keep its log off the terminal.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
    process.env.TF_ENABLE_ONEDNN_OPTS ??= '0';
    restoreRemovedUtilities();
    const engine = installedEngine();
    if (engine === undefined) throw new Error('the native engine is not set up');
    require(`${ADDON_PACKAGE}/dist/register_all_kernels`);
    castOnlyOtherTypes();
    const { NodeJSKernelBackend } = require(`${ADDON_PACKAGE}/dist/nodejs_kernel_backend`) as {
      NodeJSKernelBackend: new (binding: unknown, name: string) => NativeBackend;
    };
    const backend = new NodeJSKernelBackend(require(addonPath(engine.folder)), ADDON_PACKAGE);
    makeAbandonable(backend);
    tf.registerBackend('tensorflow', () => backend as unknown as tf.KernelBackend, 3);
    if (!(await tf.setBackend('tensorflow'))) throw new Error('TensorFlow did not start');
    device = backend.isUsingGpuDevice ? 'GPU' : 'CPU';
    if (!backend.isUsingGpuDevice) enableFused(backend);
  },
  device: () => device,
};
