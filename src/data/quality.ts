/** QuALITY's own JSON Lines: articles with multiple-choice questions. */
import { z } from 'zod';
import { UserError } from '../base/errors.js';
import { readJsonLines } from '../base/files.js';
import { choiceQuestion } from './multiple-choice.js';
import { dataOption, pathsOf, type Origin, type RemoteFile } from './origin.js';
import { defineDataset, parseRecord, passageSource, type Passage } from './passage.js';

const articleSchema = z.object({
  article_id: z.string(),
  set_unique_id: z.string().optional(),
  article: z.string().min(1),
  questions: z
    .array(
      z.object({
        question: z.string().trim().min(1),
        question_unique_id: z.string(),
        options: z.array(z.string().trim().min(1)).length(4),
        gold_label: z.int().min(1).max(4).optional(),
        difficult: z.union([z.literal(0), z.literal(1)]).optional(),
      }),
    )
    .min(1),
});

/**
 * Passages of a QuALITY file (v1.0.1), one a line, which is an article with one writer's questions. Questions of the
 * hard subset carry the tag `hard`, the others `easy`.
 */
export function readQuality(path: string): Passage[] {
  return readJsonLines(path, 2 ** 30).map(({ line, value }) => {
    const where = `${path}:${line}`;
    const record = parseRecord(articleSchema, value, {
      code: 'bad-quality',
      where,
      hint: 'A file in the format of QuALITY v1.0.1 (QuALITY.v1.0.1.htmlstripped.train or .dev) is wanted.',
    });
    return {
      id: record.set_unique_id ?? record.article_id,
      context: record.article,
      questions: record.questions.map(
        ({ question, question_unique_id: id, options, gold_label, difficult }, i) => {
          if (gold_label === undefined) {
            throw new UserError('no-labels', `questions.${i} has no gold_label`, {
              where,
              hint: 'The labels of the test set are not public: take the development set (.dev).',
            });
          }
          const tags = difficult === undefined ? [] : [difficult === 1 ? 'hard' : 'easy'];
          return choiceQuestion({ id, question, tags }, options, gold_label - 1);
        },
      ),
    };
  });
}

const file = (split: string): RemoteFile => ({
  url: `https://raw.githubusercontent.com/nyu-mll/quality/main/data/v1.0.1/QuALITY.v1.0.1.htmlstripped.${split}`,
  name: `QuALITY.v1.0.1.htmlstripped.${split}`,
});
/** The labels of the test set are not public: the development set stands for it, as in the paper. */
const origin: Origin = {
  kind: 'urls',
  licence: 'CC BY 4.0; each article has its own',
  splits: { train: [file('train')], validation: [file('dev')], test: [file('dev')] },
};

export const quality = defineDataset({
  name: 'quality',
  summary: 'Four choices about stories and articles (QuALITY v1.0.1)',
  reference: 'arXiv 2112.08608',
  version: 1,
  splits: ['train', 'validation', 'test'],
  origin,
  options: z.strictObject({ data: dataOption('a file in QuALITY JSON Lines') }),
  open: ({ data }, split) =>
    passageSource(pathsOf('quality', origin, data, split).flatMap((path) => readQuality(path))),
});
