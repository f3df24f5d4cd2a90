/** The experiments at the scale of the paper, each training and each method once a model: tests that take no longer. */
import { basename } from 'node:path';
import { canonicalJson } from '../../src/base/hash.js';
import { loadExperiments, trainingHash, type LoadedExperiment } from '../../src/experiment/resolve.js';
import { experimentFiles } from '../../src/workflows/validate.js';

/**
 * Files with their experiments. A training that an earlier file has is left out of a later one; of a sweep that says
 * the same methods of a model again, the first and the last are left, at the smallest ratio.
 */
export function paperExperiments(): [name: string, experiments: LoadedExperiment[]][] {
  const trained = new Set<string>();
  const once = (seen: Set<string>, key: string): boolean => !seen.has(key) && Boolean(seen.add(key));
  return experimentFiles('experiments/paper').map((file) => {
    const evaluated = new Set<string>();
    const experiments = loadExperiments(file).map(({ experiment, ...rest }) => {
      const { training, ...others } = experiment;
      const evaluation = experiment.evaluation!;
      const { methods } = evaluation;
      const fresh = methods.filter((method) => once(evaluated, canonicalJson([experiment.model, method])));
      const kept = fresh.length > 0 ? fresh : [methods[0]!, methods.at(-1)!];
      const trains = training !== undefined && once(trained, trainingHash(experiment));
      return {
        ...rest,
        experiment: {
          ...others,
          ...(trains && { training }),
          evaluation: {
            ...evaluation,
            methods: kept,
            retention: Math.min(...[evaluation.retention!].flat()),
          },
        },
      };
    });
    return [basename(file), experiments];
  });
}
