/** `kvd doctor`: what works here, how fast, and what mends what does not. */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { engines } from '../engine/index.js';
import { diagnoseGpu, type GpuDiagnosis } from '../engine/nvidia.js';

const run = promisify(execFile);

export interface EngineDiagnosis {
  engine: string;
  works: boolean;
  device?: string;
  threads?: number;
  /** Measured on float32 matrices of 1024 × 1024 (256 × 256 on wasm), best of five. */
  gflops?: number;
  problem?: string;
  remedy?: string;
}

export interface Diagnosis {
  node: string;
  cores: number;
  engines: EngineDiagnosis[];
  gpu: GpuDiagnosis;
  tools: { name: string; found: boolean; version?: string; needed_for: string; remedy?: string }[];
}

/** Measures one engine in a process of its own, since a process can only start one. */
async function measure(name: string): Promise<EngineDiagnosis> {
  const probe = await engines.get(name).probe();
  if (!probe.available) {
    return {
      engine: name,
      works: false,
      ...(probe.reason !== undefined && { problem: probe.reason }),
      ...(probe.remedy !== undefined && { remedy: probe.remedy }),
    };
  }
  const index = new URL('../engine/index.js', import.meta.url).href;
  const script = `
    import { startEngine } from ${JSON.stringify(index)};
    import * as tf from ${JSON.stringify(import.meta.resolve('@tensorflow/tfjs-core'))};
    const info = await startEngine(${JSON.stringify(name)});
    const n = ${name === 'wasm' ? 256 : 1024};
    const a = tf.randomNormal([n, n]);
    let best = Infinity;
    for (let i = 0; i < 6; i++) {
      const started = performance.now();
      const product = tf.matMul(a, a);
      product.dataSync();
      product.dispose();
      if (i > 0) best = Math.min(best, performance.now() - started);
    }
    console.log(JSON.stringify({ device: info.device, threads: info.threads, gflops: (2 * n ** 3) / best / 1e6 }));`;
  try {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 60_000,
    });
    return { engine: name, works: true, ...(JSON.parse(stdout) as object) };
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-1)[0] ?? String(error);
    return { engine: name, works: false, problem: text, remedy: 'kvd setup --force' };
  }
}

async function tool(
  name: string,
  args: string[],
  neededFor: string,
  remedy: string,
): Promise<Diagnosis['tools'][number]> {
  try {
    const { stdout } = await run(name, args);
    return {
      name: [name, ...args.slice(0, -1)].join(' '),
      found: true,
      version: stdout.trim().split('\n')[0]!,
      needed_for: neededFor,
    };
  } catch {
    return { name: [name, ...args.slice(0, -1)].join(' '), found: false, needed_for: neededFor, remedy };
  }
}

export async function diagnose(): Promise<Diagnosis> {
  const measured: EngineDiagnosis[] = [];
  for (const name of engines.names()) measured.push(await measure(name));
  return {
    node: process.version,
    cores: availableParallelism(),
    engines: measured,
    gpu: await diagnoseGpu(),
    tools: await Promise.all([
      tool('python3', ['-m', 'pip', '--version'], 'kvd setup', 'Debian: apt-get install python3-pip'),
      tool('g++', ['--version'], 'kvd setup', 'Debian: apt-get install g++ make'),
      tool('make', ['--version'], 'kvd setup', 'Debian: apt-get install make'),
    ]),
  };
}

export function renderDiagnosis(diagnosis: Diagnosis): string {
  const lines = [`node ${diagnosis.node}, ${diagnosis.cores} cores`];
  for (const item of diagnosis.engines) {
    lines.push(
      item.works
        ? `ok       ${item.engine}: ${item.device}, ${item.threads} threads, ${Math.round(item.gflops ?? 0)} GFLOP/s in matmul`
        : `missing  ${item.engine}: ${item.problem}${item.remedy === undefined ? '' : `; mend it with: ${item.remedy}`}`,
    );
  }
  const { gpus, problem, remedy } = diagnosis.gpu;
  for (const { name, driver, memory } of gpus)
    lines.push(`found    ${name}: ${(memory / 1e9).toFixed(1)} GB, driver ${driver}`);
  if (problem !== undefined) {
    const state = gpus.length === 0 ? 'missing' : 'problem';
    lines.push(`${state}  GPU (needed for kvd setup --gpu only): ${problem}; mend it: ${remedy}`);
  }
  for (const item of diagnosis.tools) {
    lines.push(
      item.found
        ? `ok       ${item.name}: ${item.version}`
        : `missing  ${item.name} (needed for ${item.needed_for}): ${item.remedy}`,
    );
  }
  return lines.join('\n');
}
