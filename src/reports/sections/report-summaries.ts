/** What the sections on report summaries share: adapters by how they were trained, and their ROUGE-L. */
import type { CellSummary } from '../../store/store.js';
import type { Claim } from '../document.js';
import { difference } from '../effects.js';
import { measurement, percent, pick, retentions, type Config, type Evidence } from '../evidence.js';
import type { Cell } from '../table.js';
import { claim } from '../verdicts.js';

export const UNIT = 'ROUGE-L';
export const METRIC = 'rougeL';

/** Whether an adapter went on from another. */
function fineTuned({ training }: Config): boolean {
  return training?.init_adapter !== undefined;
}

/** Whether the encoder's keys are scaled by σ(s). */
function decayed({ method }: Config): boolean {
  return method?.decay !== false;
}

/** The paper's columns, and the first stage of fine-tuning, which scales keys and teaches the scorer. */
export const COLUMNS: Readonly<Record<string, { method: string; where?: (config: Config) => boolean }>> = {
  h2a: { method: 'h2a' },
  h2i: { method: 'h2i' },
  'kvd-zero-shot': { method: 'kvd', where: (config) => !fineTuned(config) },
  'kvd-selection': { method: 'kvd', where: (config) => fineTuned(config) && decayed(config) },
  'kvd-finetune': { method: 'kvd', where: (config) => fineTuned(config) && !decayed(config) },
};

/** What the columns of fine-tuned adapters are, for a section's introduction. */
export const STAGES =
  'Fine-tuning goes on from the general adapter on reports in two stages: with keys scaled by σ(s), as in the paper, which teaches the scorer what to keep ("selection"), then, unlike the paper, with keys as they are and the selection as it is, which teaches the encoder ("finetune").';

export interface Summaries {
  /** Retention ratios below 1, greatest first. */
  ratios: number[];
  /** Cells of a column; at retention 1 those of the uncompressed model. */
  cells: (column: string, retention: number) => CellSummary[];
  /** Their ROUGE-L. */
  ours: (column: string, retention: number) => Cell;
  /** That fine-tuning comes within 1 ROUGE-L of the uncompressed model; `what` ends the claim's text. */
  within: (retention: number, what?: string) => Claim;
}

/** Summaries of one set of questions. */
export function summariesOf(evidence: Evidence): Summaries {
  const cells: Summaries['cells'] = (column, retention) =>
    pick(evidence, retention === 1 ? { method: 'full' } : { ...COLUMNS[column]!, retention });
  const tuned = 'kvd-finetune';
  return {
    ratios: retentions(evidence.cells).filter((ratio) => ratio < 1),
    cells,
    ours: (column, retention) => measurement(cells(column, retention), METRIC) ?? null,
    within: (retention, what = '') =>
      claim(
        `kvd fine-tuned at ${percent(retention)} within 1 ROUGE-L of uncompressed${what}`,
        difference(evidence, cells(tuned, retention), cells(tuned, 1), METRIC),
        -1,
        UNIT,
      ),
  };
}
