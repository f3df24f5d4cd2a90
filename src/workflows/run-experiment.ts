/** One experiment of `kvd reproduce`: trained where a method needs it, evaluated, and what of it was done anew. */
import type { LoadedExperiment } from '../experiment/resolve.js';
import { methods } from '../methods/index.js';
import type { Store } from '../store/store.js';
import { changes } from './changes.js';
import { evaluateExperiment } from './evaluate.js';
import { trainExperiment } from './train.js';

export interface Done {
  /** Run of the evaluation. */
  evaluation: string;
  /** Run of the training, where there was one. */
  training?: string;
  /** What was done anew and what was found, for people. */
  summary: string;
}

/** An experiment by its name, model and seed. */
export function titleOf({ experiment: { name, seed, model } }: LoadedExperiment): string {
  return `${name} (${model.name_or_path}, seed ${seed})`;
}

function outcome(result: { reused: boolean; resumed: boolean }, fresh: string): string {
  return result.reused ? 'reused' : result.resumed ? 'resumed' : fresh;
}

export async function runExperiment(loaded: LoadedExperiment, store: Store, quiet: boolean): Promise<Done> {
  const { training, evaluation } = loaded.experiment;
  const trains =
    training !== undefined && evaluation?.methods.some((entry) => methods.get(entry.name).needs.training);
  const trained = trains === true ? await trainExperiment(loaded, store, quiet) : undefined;
  const evaluated = await evaluateExperiment(loaded, store, { quiet });
  const parts = [
    ...(trained === undefined
      ? []
      : [`adapter ${outcome(trained, 'trained')}${changes(store, 'train', trained)}`]),
    `evaluation ${outcome(evaluated, 'made')}${changes(store, 'eval', evaluated)}`,
  ];
  return {
    evaluation: evaluated.runId,
    ...(trained !== undefined && { training: trained.runId }),
    summary: `${titleOf(loaded)}: ${parts.join(', ')}`,
  };
}
