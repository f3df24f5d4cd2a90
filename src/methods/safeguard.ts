/** Rows that no head loses to others: what adakv and criticaladakv share. */
import { z } from 'zod';

export const safeguardOption = {
  alpha_safeguard: z.number().min(0).max(1).default(0.2).describe('share of its rows that no head loses'),
};

/** Rows that each head keeps at least, of `kept` on average: one or more, unless there is no safeguard. */
export function safeRows(kept: number, alpha: number): number {
  return alpha > 0 ? Math.max(1, Math.floor(kept * alpha)) : 0;
}
