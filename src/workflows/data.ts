/** `kvd data`: what datasets there are, and what stands in them. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { suggestion } from '../base/suggest.js';
import { datasets } from '../data/index.js';
import { fetchedFiles } from '../data/origin.js';
import type { Dataset, PassageSource } from '../data/passage.js';
import { applySets } from '../experiment/overrides.js';
import { formatBytes } from './progress.js';

interface Shown {
  value: unknown;
  text: string;
}

/** What of a dataset's files has been fetched: the splits, or how else it comes about. */
function stateOf({ name, origin }: Dataset): string {
  if (origin === undefined) return 'nothing to fetch';
  const splits = Object.keys(origin.splits).filter((split) => fetchedFiles(origin, name, split).length > 0);
  return splits.length === 0 ? 'not pulled' : `pulled: ${splits.join(', ')}`;
}

export function describeDatasets(): Shown {
  const list = datasets.list().map((dataset) => {
    const { name, summary, reference, splits, origin } = dataset;
    return { name, summary, reference, splits, licence: origin?.licence, state: stateOf(dataset) };
  });
  const width = Math.max(...list.map(({ name }) => name.length)) + 1;
  const text = list.map(
    ({ name, summary, splits, state }) =>
      `${name.padEnd(width)} ${summary}\n${' '.repeat(width)} splits: ${splits.join(', ')}; ${state}`,
  );
  return { value: list, text: text.join('\n') };
}

/** The split of this name, or the last that the dataset has: training data have no other. */
export function splitLike(wanted: string, name: string): string {
  const { splits } = datasets.get(name);
  return splits.includes(wanted) ? wanted : splits.at(-1)!;
}

/** A dataset opened with options that come as `key=value`, YAML values. */
export function openDataset(name: string, split: string, sets: readonly string[]): PassageSource {
  const dataset = datasets.get(name);
  if (!dataset.splits.includes(split)) {
    throw new UserError('unknown-split', `dataset ${dataset.name} has no split "${split}"`, {
      hint: suggestion(split, dataset.splits),
    });
  }
  const options = applySets({}, new Map(), sets);
  const checked = dataset.options.safeParse(options);
  if (!checked.success) {
    throw new UserError('bad-options', z.prettifyError(checked.error), {
      hint: `Give options with --set key=value; see \`kvd data inspect ${name}\`.`,
    });
  }
  return dataset.open(options, split);
}

/** What `kvd data inspect` shows: origin, licence, options, files with sizes. */
export function inspectDataset(name: string): Shown {
  const dataset = datasets.get(name);
  const { summary, reference, version, splits, origin } = dataset;
  const options = Object.entries(dataset.options.shape as Record<string, z.ZodType>).map(([key, schema]) => ({
    key,
    description: schema.description ?? '',
    default: schema instanceof z.ZodDefault ? (schema.def.defaultValue as unknown) : undefined,
    required: !schema.safeParse(undefined).success,
  }));
  const files = Object.fromEntries(
    origin === undefined
      ? []
      : Object.keys(origin.splits).map((split) => [
          split,
          fetchedFiles(origin, name, split).map((path) => ({ path, bytes: statSync(path).size })),
        ]),
  );
  const source =
    origin === undefined
      ? 'nothing to fetch'
      : origin.kind === 'hub'
        ? `https://huggingface.co/datasets/${origin.repository}`
        : [
            ...new Set(Object.values(origin.splits).flatMap((list) => list.map(({ url }) => dirname(url)))),
          ].join(', ');
  const value = {
    name,
    summary,
    reference,
    version,
    splits,
    source,
    licence: origin?.licence,
    options,
    files,
  };
  const lines = [
    `${name}: ${summary}`,
    `reference  ${reference}`,
    `source     ${source}`,
    `licence    ${origin?.licence ?? 'that of what it reads'}`,
    `splits     ${splits.join(', ')}`,
    'options',
    ...options.map(({ key, description, default: usual, required }) => {
      const note = required ? ' (required)' : usual === undefined ? '' : ` (${JSON.stringify(usual)})`;
      return `  ${key}: ${description}${note}`;
    }),
    'files',
    ...Object.entries(files).map(([split, found]) => {
      const bytes = formatBytes(found.reduce((sum, file) => sum + file.bytes, 0));
      const some = found.length > 1 ? `${found.length} files in ${dirname(found[0]!.path)}` : found[0]?.path;
      return `  ${split}: ${some === undefined ? 'not pulled' : `${some} (${bytes})`}`;
    }),
  ];
  return { value, text: lines.join('\n') };
}

export function showPassages(request: {
  dataset: string;
  /** The validation set unless given, or the last there is. */
  split?: string | undefined;
  limit: number;
  set: readonly string[];
}): Shown {
  const split = request.split ?? splitLike('validation', request.dataset);
  const source = openDataset(request.dataset, split, request.set);
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
