/** SQuAD's own JSON, versions 1.1 and 2.0. */
import { z } from 'zod';
import { readJson } from '../base/files.js';
import { dataOption, pathsOf, type Origin, type RemoteFile } from './origin.js';
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

const SITE = 'https://rajpurkar.github.io/SQuAD-explorer/dataset';
/** The test set is not public: the development set stands for it, as in the paper. */
const development: RemoteFile = {
  url: `${SITE}/dev-v1.1.json`,
  name: 'dev-v1.1.json',
  bytes: 4_854_279,
  sha256: '95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9',
};
const origin: Origin = {
  kind: 'urls',
  licence: 'CC BY-SA 4.0',
  splits: {
    train: [
      {
        url: `${SITE}/train-v1.1.json`,
        name: 'train-v1.1.json',
        sha256: '3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955',
      },
    ],
    validation: [development],
    test: [development],
  },
};

export const squad = defineDataset({
  name: 'squad',
  summary: 'Extractive questions on Wikipedia paragraphs (SQuAD v1.1; v2.0 from your file)',
  reference: 'arXiv 1606.05250, arXiv 1806.03822',
  version: 1,
  splits: ['train', 'validation', 'test'],
  origin,
  options: z.strictObject({ data: dataOption('a file in SQuAD JSON') }),
  open: ({ data }, split) =>
    passageSource(pathsOf('squad', origin, data, split).flatMap((path) => readSquad(path))),
});
