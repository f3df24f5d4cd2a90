/** Requests of a context answered together, contexts one after the other. */
import { answers, type AnswerPiece } from '../contexts/ask.js';
import type { ContextModel } from '../contexts/model.js';
import type { Shelf, Shelved } from './shelf.js';
import type { WorkQueue } from './work-queue.js';

/** One question under way. */
export interface Request {
  prompt: readonly number[];
  maxNewTokens: number;
  /** Takes the answer as it grows. */
  onPiece(piece: AnswerPiece): void;
  /** Whether nobody waits for it any more. */
  gone(): boolean;
}

interface Waiting extends Request {
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class Asker {
  private readonly waiting = new Map<Shelved, Waiting[]>();

  /** @param batch most requests of a context that are answered together */
  constructor(
    private readonly model: ContextModel,
    private readonly queue: WorkQueue,
    private readonly shelf: Shelf,
    private readonly batch: number,
  ) {}

  /** Takes a place for a request of a context, to be given back; a full queue is an ApiError. */
  enter(shelved: Shelved): () => void {
    const leave = this.queue.enter();
    const done = this.shelf.read(shelved);
    return () => {
      done();
      leave();
    };
  }

  /**
   * Answers a request; resolves at its end.
   * @param leave its place, which is given back then
   */
  async ask(shelved: Shelved, request: Request, leave: () => void): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        const list = this.waiting.get(shelved);
        const own: Waiting = { ...request, resolve, reject };
        if (list !== undefined) list.push(own);
        else {
          this.waiting.set(shelved, [own]);
          void this.queue.run(() => this.answerSome(shelved));
        }
      });
    } finally {
      leave();
    }
  }

  /** Answers those that wait for a context now; the others of it go behind what other contexts wait for. */
  private async answerSome(shelved: Shelved): Promise<void> {
    const list = this.waiting.get(shelved) ?? [];
    const now = list.splice(0, this.batch);
    if (list.length === 0) this.waiting.delete(shelved);
    else void this.queue.run(() => this.answerSome(shelved));
    try {
      const pieces = answers(
        this.model,
        shelved.context.cache,
        now.map(({ prompt }) => prompt),
        {
          maxNewTokens: now.map(({ maxNewTokens }) => maxNewTokens),
          ended: (question) => now[question]!.gone(),
        },
      );
      for await (const piece of pieces) {
        const request = now[piece.question]!;
        request.onPiece(piece);
        if (piece.finish !== undefined) request.resolve();
      }
      // Those whose clients have gone never finish.
      for (const { resolve } of now) resolve();
    } catch (error) {
      for (const { reject } of now) reject(error);
    }
  }
}
