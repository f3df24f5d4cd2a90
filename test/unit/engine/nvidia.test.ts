import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { diagnoseGpu, type GpuDiagnosis } from '../../../src/engine/nvidia.js';

const path = process.env.PATH;

afterEach(() => {
  process.env.PATH = path;
});

/** The diagnosis where nvidia-smi, asked for names, drivers and memory, answers `output`; where there is none for null. */
async function diagnosisOf(output: string | null, status = 0): Promise<GpuDiagnosis> {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-smi-'));
  if (output !== null) {
    const file = join(folder, 'nvidia-smi');
    writeFileSync(
      file,
      `#!/bin/sh
[ "$*" = "--query-gpu=name,driver_version,memory.total --format=csv,noheader,nounits" ] || exit 2
echo '${output}'
exit ${status}
`,
    );
    chmodSync(file, 0o755);
  }
  process.env.PATH = folder;
  return diagnoseGpu();
}

it('finds nothing wrong with a GPU of 80 GB and a driver for CUDA 12', async () => {
  expect(await diagnosisOf('NVIDIA A100-SXM4-80GB, 535.104.05, 81920')).toEqual({
    gpus: [{ name: 'NVIDIA A100-SXM4-80GB', driver: '535.104.05', memory: 80 * 2 ** 30 }],
  });
});

it('goes by the largest GPU', async () => {
  const found = await diagnosisOf('NVIDIA T400, 550.54, 2048\nNVIDIA RTX A6000, 550.54, 49140');
  expect(found.gpus).toHaveLength(2);
  expect(found.problem).toBeUndefined();
});

it.each([
  ['without a driver', null, 0, 'no nvidia-smi'],
  [
    'with a driver that is not running',
    'NVIDIA-SMI has failed',
    9,
    'nvidia-smi failed: NVIDIA-SMI has failed',
  ],
  ['without a GPU', 'No devices were found', 0, 'names no GPU'],
  ['with an old driver', 'Tesla T4, 470.82.01, 15360', 0, 'driver 470.82.01 is too old: CUDA 12 needs 525'],
  ['with a small GPU', 'NVIDIA T400, 550.54.15, 2048', 0, '2.1 GB of GPU memory are too few'],
  ['with a GPU that does not tell its memory', 'NVIDIA GB10, 580.95.05, [N/A]', 0, 'names no GPU'],
] as const)('says what is wrong and what mends it: %s', async (_, output, status, problem) => {
  const found = await diagnosisOf(output, status);
  expect(found.problem).toContain(problem);
  expect(found.remedy).toBeDefined();
});
