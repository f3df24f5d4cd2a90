/** Work that goes one after the other, of which only so much may wait. */
import { ApiError } from './errors.js';

export class WorkQueue {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private closed = false;

  /** @param limit most pieces of work that are under way or wait */
  constructor(private readonly limit: number) {}

  /** A closed queue is an ApiError. */
  checkOpen(): void {
    if (this.closed) throw new ApiError(503, 'shutting_down', 'The server is shutting down.');
  }

  /** Takes a place in the queue, to be given back; a full or closed queue is an ApiError. */
  enter(): () => void {
    this.checkOpen();
    if (this.waiting >= this.limit) {
      throw new ApiError(429, 'queue_full', `${this.limit} requests wait already. Try again in a moment.`);
    }
    this.waiting += 1;
    let left = false;
    return () => {
      if (!left) this.waiting -= 1;
      left = true;
    };
  }

  /** Runs `work` once all before it has ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  /** Lets nothing more in, and waits for what is in. */
  async close(): Promise<void> {
    this.closed = true;
    let seen: Promise<unknown> | undefined;
    while (seen !== this.last) {
      seen = this.last;
      await seen;
    }
  }
}
