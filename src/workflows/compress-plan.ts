/** What `kvd compress` is to compress, from a plan file or from arguments. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readText } from '../base/files.js';
import { packageRoot } from '../base/paths.js';
import type { DocumentInput, Span } from '../contexts/documents.js';
import { check } from '../experiment/problems.js';
import { loadYaml } from '../experiment/yaml.js';

const share = z.number().gt(0).max(1).describe('share of rows kept; 1 = kept whole');
const place = z.int().min(0);

const planSchema = z.strictObject({
  retention: share.optional(),
  documents: z
    .array(
      z
        .strictObject({
          file: z.string().optional(),
          text: z.string().optional(),
          name: z.string().optional(),
          retention: share.optional(),
          spans: z
            .array(z.strictObject({ from: place.optional(), to: place.optional(), retention: share }))
            .optional(),
        })
        .refine(({ file, text }) => (file === undefined) !== (text === undefined), {
          message: 'name a file, or give a text',
        }),
    )
    .min(1),
});

/** Documents, and the share of rows kept of those that say nothing else. */
export interface Plan {
  documents: DocumentInput[];
  retention: number;
}

/** A document's text, without the white space at its end; `-` is standard input. Shipped ones are found from anywhere. */
export function readDocument(file: string): string {
  if (file === '-') return readFileSync(0, 'utf8').trimEnd();
  const found = [file, join(packageRoot, file)].find((path) => existsSync(path));
  return readText(found ?? file).trimEnd();
}

/** A plan in YAML (or JSON); files are named from the plan's own folder. */
export function readPlan(file: string): Plan {
  const { value, places } = loadYaml(file);
  const { documents, retention } = check(planSchema, value, places);
  return {
    retention: retention ?? 1,
    documents: documents.map(({ file: path, text, name, ...rest }) => ({
      ...rest,
      name: name ?? (path === undefined ? undefined : basename(path)),
      text: text ?? readDocument(resolve(dirname(file), path!)),
    })),
  };
}

/** A retention ratio as typed. */
export function parseShare(text: string, where: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value > 0 && value <= 1) return value;
  throw new UserError('bad-retention', `"${text}" is no retention ratio`, {
    where,
    hint: 'Give the share of rows to keep, above 0 and at most 1.',
  });
}

/** `from:to@retention`; what is left out is the document's beginning or end. */
function parseSpan(text: string): Span {
  const [, from, to, retention] = /^(\d*):(\d*)@(.+)$/.exec(text) ?? [];
  if (retention === undefined) {
    throw new UserError('bad-span', `"${text}" is no span`, {
      where: '--span',
      hint: 'Write from:to@retention, in characters: 100:2000@0.1, or 100:@0.1 to the end.',
    });
  }
  return {
    ...(from !== '' && { from: Number(from) }),
    ...(to !== '' && { to: Number(to) }),
    retention: parseShare(retention, '--span'),
  };
}

/**
 * Documents by their files.
 * @param retention one share for all, or one for each; without any, 0.2, or where there are spans, the rest is kept whole
 * @param spans of the only document
 */
export function planOf(
  files: readonly string[],
  retention: readonly string[],
  spans: readonly string[],
): Plan {
  if (files.length === 0) {
    throw new UserError('no-document', 'no document to compress', { hint: 'Name text files, or a --plan.' });
  }
  if (spans.length > 0 && files.length > 1) {
    throw new UserError('bad-span', `spans are of one document, not of ${files.length}`, {
      where: '--span',
      hint: 'Write a --plan, in which each document has its own spans.',
    });
  }
  if (retention.length > 1 && retention.length !== files.length) {
    throw new UserError('bad-retention', `${retention.length} ratios for ${files.length} documents`, {
      where: '--retention',
      hint: 'Give one for all, or one for each in order.',
    });
  }
  const shares = retention.map((text) => parseShare(text, '--retention'));
  const fallback = spans.length > 0 ? 1 : 0.2;
  const parsed = spans.map(parseSpan).sort((a, b) => (a.from ?? 0) - (b.from ?? 0));
  return {
    retention: shares[0] ?? fallback,
    documents: files.map((file, number) => ({
      text: readDocument(file),
      name: file === '-' ? undefined : basename(file),
      retention: shares[number] ?? shares[0] ?? fallback,
      spans: parsed,
    })),
  };
}
