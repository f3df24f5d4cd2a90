/** Progress on stderr: one live line on a terminal, a plain line now and then elsewhere. */
import { Listr } from 'listr2';

/** Says how far the work is, and what it is at. */
export type Tick = (done: number, message: string) => void;

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Bytes as people read them: `1.2 GB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

const PLAIN_EVERY_MS = 10_000;

/**
 * Runs `work` under a title, with share done, elapsed time and ETA.
 * @param total what `done` counts up to
 * @param quiet no output at all, as under --json
 * @param amount how `done` and `total` are written
 */
export async function withProgress<T>(
  title: string,
  total: number,
  quiet: boolean,
  work: (tick: Tick) => Promise<T>,
  amount: (count: number) => string = String,
): Promise<T> {
  if (quiet) return work(() => undefined);
  const started = performance.now();
  let firstDone: number | undefined;
  const line = (done: number, message: string): string => {
    firstDone ??= Math.max(0, done - 1);
    const elapsed = (performance.now() - started) / 1000;
    const rate = (done - firstDone) / elapsed;
    const eta = rate > 0 ? ` · ETA ${clock((total - done) / rate)}` : '';
    return `${Math.floor((100 * done) / total)} % (${amount(done)}/${amount(total)}) · ${message} · ${clock(elapsed)}${eta}`;
  };
  if (!process.stderr.isTTY || process.env.CI !== undefined || process.env.TERM === 'dumb') {
    process.stderr.write(`${title}\n`);
    let next = 0;
    const result = await work((done, message) => {
      const text = line(done, message);
      if (performance.now() < next) return;
      next = performance.now() + PLAIN_EVERY_MS;
      process.stderr.write(`  ${text}\n`);
    });
    process.stderr.write(`  done in ${clock((performance.now() - started) / 1000)}\n`);
    return result;
  }
  let result: T | undefined;
  const list = new Listr(
    [
      {
        title,
        task: async (_context, task) => {
          result = await work((done, message) => {
            task.output = line(done, message);
          });
          task.title = `${title} (${clock((performance.now() - started) / 1000)})`;
        },
      },
    ],
    { renderer: 'default', rendererOptions: { collapseErrors: false } },
  );
  await list.run();
  return result as T;
}
