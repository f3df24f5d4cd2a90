/**
 * Preloaded (`node --import`): what the process took, written at its end to the file that KVD_BENCH_USAGE names. Tensors
 * are counted by the tests' helper, whose compiled module KVD_BENCH_PEAK names.
 */
import { writeFileSync } from 'node:fs';

const { trackPeak } = await import(process.env.KVD_BENCH_PEAK);
const tracker = trackPeak();

process.on('exit', () => {
  const { userCPUTime, maxRSS } = process.resourceUsage();
  const usage = {
    seconds: performance.now() / 1000,
    userSeconds: userCPUTime / 1e6,
    resident: maxRSS * 1024,
    tensors: tracker.peak(),
  };
  writeFileSync(process.env.KVD_BENCH_USAGE, JSON.stringify(usage));
});
