/** NVIDIA's GPUs and driver as nvidia-smi tells them, and what of them is in the way of the GPU engine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errnoOf } from '../base/errors.js';

const run = promisify(execFile);
const QUERY = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits'];

/**
 * The oldest driver that CUDA 12 runs on, by its first number.
 * Source: docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
 */
const OLDEST_DRIVER = 525;
/** Bytes below which only small models fit: weights are float32. */
const LEAST_MEMORY = 8e9;
const NEW_DRIVER = `install NVIDIA's driver, version ${OLDEST_DRIVER} or newer, and restart`;

export interface Gpu {
  name: string;
  /** Version of the driver. */
  driver: string;
  /** Bytes. */
  memory: number;
}

export interface GpuDiagnosis {
  gpus: Gpu[];
  problem?: string;
  remedy?: string;
}

function parse(output: string): Gpu[] {
  return output.split('\n').flatMap((line) => {
    const [, name, driver, mebibytes] = /^\s*(.+?)\s*,\s*([\d.]+)\s*,\s*(\d+)\s*$/.exec(line) ?? [];
    if (name === undefined || driver === undefined) return [];
    return [{ name, driver, memory: Number(mebibytes) * 2 ** 20 }];
  });
}

function judge(gpus: Gpu[]): GpuDiagnosis {
  const [first] = gpus;
  if (first === undefined)
    return { gpus, problem: 'nvidia-smi names no GPU', remedy: 'see whether `nvidia-smi` shows one' };
  if (Number.parseInt(first.driver, 10) < OLDEST_DRIVER) {
    return {
      gpus,
      problem: `driver ${first.driver} is too old: CUDA 12 needs ${OLDEST_DRIVER} or newer`,
      remedy: NEW_DRIVER,
    };
  }
  const largest = Math.max(...gpus.map(({ memory }) => memory));
  if (largest < LEAST_MEMORY) {
    return {
      gpus,
      problem: `${(largest / 1e9).toFixed(1)} GB of GPU memory are too few for all but small models`,
      remedy: 'a GPU of 8 GB or more; `kvd plan EXPERIMENT --gpu NAME` says what an experiment needs',
    };
  }
  return { gpus };
}

/** What nvidia-smi says of this machine; a problem, and what mends it, where the GPU engine cannot use it. */
export async function diagnoseGpu(): Promise<GpuDiagnosis> {
  try {
    const { stdout } = await run('nvidia-smi', QUERY, { timeout: 20_000 });
    return judge(parse(stdout));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      return { gpus: [], problem: 'no nvidia-smi, so no NVIDIA driver', remedy: NEW_DRIVER };
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const [said] = `${stdout}\n${stderr}`.trim().split('\n');
    return { gpus: [], problem: `nvidia-smi failed: ${said}`, remedy: NEW_DRIVER };
  }
}
