/** `kvd data`: what datasets there are, and what stands in them. */
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { suggestion } from '../base/suggest.js';
import { datasets } from '../data/index.js';

interface Shown {
  value: unknown;
  text: string;
}

export function describeDatasets(): Shown {
  const list = datasets
    .list()
    .map(({ name, summary, reference, splits }) => ({ name, summary, reference, splits }));
  const text = list.map(
    ({ name, summary, splits }) => `${name.padEnd(8)} ${summary}\n         splits: ${splits.join(', ')}`,
  );
  return { value: list, text: text.join('\n') };
}

export function showPassages(request: {
  dataset: string;
  split: string;
  limit: number;
  set: readonly string[];
}): Shown {
  const dataset = datasets.get(request.dataset);
  if (!dataset.splits.includes(request.split)) {
    throw new UserError('unknown-split', `dataset ${dataset.name} has no split "${request.split}"`, {
      hint: suggestion(request.split, dataset.splits),
    });
  }
  const options = Object.fromEntries(
    request.set.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), parseYaml(pair.slice(at + 1)) as unknown];
    }),
  );
  const checked = dataset.options.safeParse(options);
  if (!checked.success) {
    throw new UserError('bad-options', z.prettifyError(checked.error), {
      hint: 'Give options with --set key=value.',
    });
  }
  const source = dataset.open(options, request.split);
  const passages = Array.from({ length: Math.min(request.limit, source.size) }, (_, i) => source.get(i));
  const text = passages.map((passage) =>
    [
      passage.id,
      `  ${passage.context}`,
      ...passage.questions.map((q) => `  Q ${q.question}\n  A ${q.answers.join(' | ') || '(none)'}`),
    ].join('\n'),
  );
  return { value: passages, text: text.join('\n\n') };
}
