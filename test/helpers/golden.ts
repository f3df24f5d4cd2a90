/** Reference files of test/golden (their README says who made them and how). */
import { fileURLToPath } from 'node:url';

export function golden(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}
