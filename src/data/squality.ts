/** SQuALITY's own JSON Lines: stories with questions, each with several reference summaries. */
import { z } from 'zod';
import { readJsonLines } from '../base/files.js';
import { dataOption, pathsOf, type Origin, type RemoteFile } from './origin.js';
import { defineDataset, parseRecord, passageSource, type Passage } from './passage.js';

const storySchema = z.object({
  metadata: z.object({ passage_id: z.string() }),
  document: z.string().min(1),
  questions: z.array(
    z.object({
      question_text: z.string(),
      question_number: z.int(),
      responses: z.array(z.object({ response_text: z.string() })).default([]),
    }),
  ),
});

/** Passages of a SQuALITY file (version 1.3, `txt`), one a story; question 1 asks for the plot. */
export function readSquality(path: string): Passage[] {
  return readJsonLines(path, 2 ** 30).map(({ line, value }) => {
    const { metadata, document, questions } = parseRecord(storySchema, value, {
      code: 'bad-squality',
      where: `${path}:${line}`,
      hint: 'A file in the format of SQuALITY v1.3 (train.jsonl, dev.jsonl, test.jsonl) is wanted.',
    });
    return {
      id: metadata.passage_id,
      context: document,
      questions: questions.map(({ question_text, question_number, responses }) => ({
        id: `${metadata.passage_id}/${question_number}`,
        question: question_text.trim(),
        answers: responses.map(({ response_text }) => response_text.trim()).filter((text) => text !== ''),
        tags: [question_number === 1 ? 'plot' : 'specific'],
      })),
    };
  });
}

const file = (split: string, bytes: number, sha256: string): RemoteFile => ({
  url: `https://raw.githubusercontent.com/nyu-mll/SQuALITY/main/data/v1-3/txt/${split}.jsonl`,
  name: `${split}.jsonl`,
  bytes,
  sha256,
});
const origin: Origin = {
  kind: 'urls',
  licence: 'CC BY 4.0; stories in the public domain (Project Gutenberg)',
  splits: {
    train: [file('train', 2_892_091, '7d36b79a8fa42ee4b7203a83ab4816ff2b413d927938e3445d973d6918251832')],
    validation: [file('dev', 1_474_020, 'e9cbb1daff74b70a6cd15641ba2f602a925761759200a17c9225aca90018a42b')],
    test: [file('test', 3_039_248, '5a485f30edebd16367427997ae82fac47bcd9ada9e7755c70a7d6569c0668c9c')],
  },
};

export const squality = defineDataset({
  name: 'squality',
  summary: 'Question-focused summaries of short stories (SQuALITY v1.3)',
  reference: 'arXiv 2205.11465',
  version: 1,
  splits: ['train', 'validation', 'test'],
  origin,
  options: z.strictObject({ data: dataOption('a file in SQuALITY JSON Lines') }),
  open: ({ data }, split) =>
    passageSource(pathsOf('squality', origin, data, split).flatMap((path) => readSquality(path))),
});
