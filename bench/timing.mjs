/** Repetitions during which no other process used the cores; bench/peers/timing.py does the same. */
import { readFileSync } from 'node:fs';

const FOREIGN_CORES = 0.15;

/** Seconds of processor time that all processes have used since the machine started. */
function machineSeconds() {
  const fields = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .trim()
    .split(/\s+/)
    .slice(1, 9)
    .map(Number);
  const [, , , idle, waiting] = fields;
  return (fields.reduce((sum, value) => sum + value, 0) - idle - waiting) / 100;
}

function ownSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Watches what others use of the cores from its making on. */
function watch() {
  const began = { machine: machineSeconds(), own: ownSeconds(), at: performance.now() };
  return () => {
    const seconds = (performance.now() - began.at) / 1000;
    const foreign = machineSeconds() - began.machine - (ownSeconds() - began.own);
    return { seconds, clean: foreign <= FOREIGN_CORES * seconds + 0.03 };
  };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until the others are quiet, or the deadline. */
async function quiet(deadline) {
  while (performance.now() < deadline) {
    const seen = watch();
    await pause(300);
    if (seen().clean) return;
  }
}

/**
 * Times clean runs of `work`, `repetitions` at least and for `least` seconds at least, after two to warm up and half as
 * many seconds of them: compilers at run time take some steps until they are done. Dirty runs are dropped and done again,
 * until `patience` seconds are over. Then whatever comes is taken and the result is not clean.
 */
export async function measure(work, { repetitions, least, patience }) {
  const began = performance.now();
  const deadline = began + patience * 1000;
  for (let runs = 0; runs < 2 || performance.now() < began + least * 500; runs++) await work();
  const seconds = [];
  let total = 0;
  let dropped = 0;
  let clean = true;
  while (seconds.length < repetitions || total < least) {
    const seen = watch();
    await work();
    const result = seen();
    if (!result.clean && performance.now() < deadline) {
      dropped += 1;
      await quiet(deadline);
      continue;
    }
    clean &&= result.clean;
    seconds.push(result.seconds);
    total += result.seconds;
  }
  return { seconds, dropped, clean };
}
