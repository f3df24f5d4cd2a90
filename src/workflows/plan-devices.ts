/**
 * Machines that a plan is made for; dense rates, without sparsity. A100 and H100 were compared with public copies of
 * NVIDIA's data sheets (glennklockwood.com/garden/processors, archive-lib.hpctech.co.jp/gpuproduct/nvidia-h100.html);
 * the other figures are as remembered from NVIDIA's.
 */
import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';
import { UserError } from '../base/errors.js';
import { nearest } from '../base/suggest.js';
import type { Work } from '../engine/shapes.js';

const run = promisify(execFile);

export interface Device {
  name: string;
  /** Bytes. */
  memory: number;
  /** Share of it that a run may take: the rest is others', and lost between tensors. */
  usable: number;
  /** Whether tensors lie in the host's memory, beside what the host needs for itself. */
  onHost: boolean;
  /** Attained in matrix products, floating-point operations a second. */
  flops: number;
  /** Attained, bytes a second. */
  bandwidth: number;
  /** Seconds that the host needs to launch an op. */
  launch: number;
  /** Whether it computes with our own kernels (engine/fused.ts). */
  fused: boolean;
}

const GIB = 2 ** 30;
/** Shares of the data sheets' rates that large products and copies attain, and the time Node needs for an op. */
const ATTAINED = { flops: 0.5, bandwidth: 0.8, launch: 30e-6, usable: 0.92 };

/** GiB; TFLOP/s of TF32 tensor cores (float32 where there are none, as TensorFlow chooses); GB/s. */
const gpus: Record<string, [memory: number, tflops: number, bandwidth: number]> = {
  'A10-24GB': [24, 62.5, 600],
  'A100-40GB': [40, 156, 1555],
  'A100-80GB': [80, 156, 2039],
  'A6000-48GB': [48, 77.4, 768],
  'H100-80GB': [80, 494, 3350],
  'H100-PCIe-80GB': [80, 378, 2000],
  'H200-141GB': [141, 494, 4800],
  'L40S-48GB': [48, 183, 864],
  'RTX3090-24GB': [24, 35.6, 936],
  'RTX4090-24GB': [24, 82.6, 1008],
  'T4-16GB': [16, 8.1, 320],
  'V100-32GB': [32, 15.7, 900],
};

export const gpuNames = Object.keys(gpus);

export function gpu(name: string): Device {
  const known = gpus[name];
  if (known === undefined) {
    const near = nearest(name, gpuNames);
    throw new UserError(
      'unknown-gpu',
      `no GPU "${name}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
      {
        hint: `Known: ${gpuNames.join(', ')}.`,
      },
    );
  }
  const [memory, tflops, bandwidth] = known;
  return {
    name,
    memory: memory * GIB,
    usable: ATTAINED.usable,
    onHost: false,
    flops: tflops * 1e12 * ATTAINED.flops,
    bandwidth: bandwidth * 1e9 * ATTAINED.bandwidth,
    launch: ATTAINED.launch,
    fused: false,
  };
}

/** This machine at rates measured now, in a process of its own. */
export async function thisMachine(): Promise<Device> {
  const engine = new URL('../engine/index.js', import.meta.url).href;
  const fused = new URL('../engine/fused.js', import.meta.url).href;
  const script = `
    import { startEngine } from ${JSON.stringify(engine)};
    import { fusedAvailable } from ${JSON.stringify(fused)};
    import * as tf from ${JSON.stringify(import.meta.resolve('@tensorflow/tfjs-core'))};
    await startEngine();
    const best = (count, f) => {
      let least = Infinity;
      for (let i = 0; i < 6; i++) {
        const started = performance.now();
        for (let n = 0; n < count; n++) tf.tidy(() => f().dataSync().length);
        if (i > 0) least = Math.min(least, (performance.now() - started) / 1000 / count);
      }
      return least;
    };
    const [a, b] = [tf.randomNormal([1024, 1024]), tf.randomNormal([2 ** 22])];
    const small = tf.zeros([1]);
    const sum = () => tf.sum(tf.add(b, 1));
    console.log(JSON.stringify({
      flops: 2 * 1024 ** 3 / best(1, () => tf.matMul(a, a)),
      bandwidth: 12 * b.size / best(4, sum),
      launch: best(200, () => tf.add(small, 1)),
      fused: fusedAvailable(),
    }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 });
  return {
    name: 'this machine',
    memory: totalmem(),
    // Holes between tensors are a tenth of them (docs/gpu.md), and the system and others need as much again.
    usable: 0.8,
    onHost: true,
    ...(JSON.parse(stdout) as Pick<Device, 'flops' | 'bandwidth' | 'launch' | 'fused'>),
  };
}

/** Seconds that ops take one after the other, each bound by its products or by its memory. */
export function secondsOf(work: readonly Work[], { flops, bandwidth, launch }: Device): number {
  return work.reduce((sum, op) => sum + launch + Math.max(op.flops / flops, op.bytes / bandwidth), 0);
}
