/** Scores that are made once for several budgets. */
import * as tf from '@tensorflow/tfjs-core';
import type { ScoringRequest } from './method.js';
import { scoredTensors, type Scored } from './scoring.js';

/** Scores of contexts, kept while they are compressed again with other numbers of rows to keep. */
export class ScoreMemory {
  readonly #known = new Map<string, { scored: Scored; seconds: number }>();
  /** Seconds that those scores once took to make which were found here since. */
  secondsSpared = 0;

  /** The scores that `method` under `options` gives a request's contexts: those kept, or what `make` makes. */
  recall(method: string, options: unknown, request: ScoringRequest, make: () => Scored): Scored {
    const { contexts, starts, questions } = request;
    const key = JSON.stringify([method, options, contexts, starts ?? null, questions ?? null]);
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.secondsSpared += known.seconds;
      return known.scored;
    }
    const begun = performance.now();
    const scored = make();
    scoredTensors(scored).forEach((tensor) => tf.keep(tensor));
    this.#known.set(key, { scored, seconds: (performance.now() - begun) / 1000 });
    return scored;
  }

  /** Frees what is kept. */
  dispose(): void {
    for (const { scored } of this.#known.values()) tf.dispose(scoredTensors(scored));
    this.#known.clear();
  }
}
