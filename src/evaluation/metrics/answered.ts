/** What a metric marks. */
import type { Question } from '../../data/passage.js';

export interface Answered {
  output: string;
  /** Accepted answers; several references of one summary. */
  references: readonly string[];
  choices?: Question['choices'];
  /** Summed log-likelihood of each choice's text as the answer, nats; given where a metric needs it. */
  choiceLikelihoods?: readonly number[];
}
