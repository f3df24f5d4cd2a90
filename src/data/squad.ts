/** SQuAD's own JSON, versions 1.1 and 2.0. */
import { z } from 'zod';
import { readJson } from '../base/files.js';
import { defineDataset, parseRecord, passageSource, type Passage } from './passage.js';

const answerSchema = z.object({ text: z.string(), answer_start: z.int().optional() });
const fileSchema = z.object({
  version: z.string().optional(),
  data: z.array(
    z.object({
      title: z.string().optional(),
      paragraphs: z.array(
        z.object({
          context: z.string(),
          qas: z.array(
            z.object({
              id: z.string(),
              question: z.string(),
              answers: z.array(answerSchema).default([]),
              is_impossible: z.boolean().default(false),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** Passages of a SQuAD file, one a paragraph; unanswerable questions (v2) have no answers and say so by tag. */
export function readSquad(path: string): Passage[] {
  const file = parseRecord(fileSchema, readJson(path, 2 ** 30), {
    code: 'bad-squad',
    where: path,
    hint: 'A file in the format of SQuAD v1.1 or v2.0 is wanted.',
  });
  return file.data.flatMap((article, a) =>
    article.paragraphs.map((paragraph, p) => ({
      id: `${article.title ?? a}/${p}`,
      context: paragraph.context,
      questions: paragraph.qas.map((qa) => ({
        id: qa.id,
        question: qa.question.trim(),
        answers: qa.is_impossible ? [] : [...new Set(qa.answers.map((answer) => answer.text))],
        tags: [qa.is_impossible ? 'unanswerable' : 'answerable'],
      })),
    })),
  );
}

export const squad = defineDataset({
  name: 'squad',
  summary: 'Extractive questions on Wikipedia paragraphs (a local file in SQuAD JSON, v1.1 or v2.0)',
  reference: 'arXiv 1606.05250, arXiv 1806.03822',
  version: 1,
  splits: ['train', 'validation', 'test'],
  options: z.strictObject({ data: z.string().describe('path of the JSON file') }),
  open: ({ data }) => passageSource(readSquad(data)),
});
