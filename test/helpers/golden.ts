/** Reference files of test/golden (their README says who made them and how). */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function golden(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}

/** Folders with a model in both spellings of config.json and its reference. */
export const goldenModels = readdirSync(golden('')).filter((name) =>
  existsSync(golden(`${name}/config.v4.json`)),
);

/** One of each family, and of families with a window, with it and without. */
export const goldenFamilies = goldenModels.filter((name) => !name.startsWith('llama4-'));
