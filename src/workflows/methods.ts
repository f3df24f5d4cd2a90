/** The compression methods with what they need, for lists. */
import { methods } from '../methods/index.js';

export function listMethods(): { name: string; summary: string; reference: string; needs: string[] }[] {
  return methods.list().map(({ name, summary, reference, needs }) => ({
    name,
    summary,
    reference,
    needs: Object.entries(needs)
      .filter(([, needed]) => needed)
      .map(([need]) => need),
  }));
}
