/** The batches that an evaluation is planned for. */
import { UserError } from '../base/errors.js';
import { take } from '../base/iterate.js';
import { largestBatch, type BatchSize } from '../evaluation/prepared.js';
import { evaluationProblems } from '../experiment/check.js';
import type { Experiment } from '../experiment/schema.js';
import { tasks } from '../tasks/index.js';
import type { TaskSample } from '../tasks/task.js';

type Evaluation = NonNullable<Experiment['evaluation']>;

/** An evaluation's samples, or why they cannot be read. */
export type Samples = { samples: readonly TaskSample[] } | { unread: string };

/** The most that a batch asks for; `unread`: why each sample is taken to have a context of its own. */
export type PlannedBatch = BatchSize & { unread?: string };

/** The samples that will be evaluated, where their data are there. */
export function samplesOf(evaluation: Evaluation): Samples {
  const [problem] = evaluationProblems(evaluation);
  if (problem !== undefined) return { unread: problem };
  const { task, task_options, split, limit } = evaluation;
  try {
    const samples = take(tasks.get(task).samples(task_options, split), limit);
    return samples.length > 0 ? { samples } : { unread: `task ${task} has no sample in its split ${split}` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { where, message } = error;
    return { unread: where === undefined ? message : `${where}: ${message}` };
  }
}

/** The most that any batch of `size` samples asks for. */
export function batchOf(read: Samples, size: number): PlannedBatch {
  return 'samples' in read
    ? largestBatch(read.samples, size)
    : { samples: size, contexts: size, unread: read.unread };
}
