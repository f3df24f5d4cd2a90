/** SQuALITY's own JSON Lines: stories with questions, each with several reference summaries. */
import { z } from 'zod';
import { readJsonLines } from '../base/files.js';
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

export const squality = defineDataset({
  name: 'squality',
  summary: 'Question-focused summaries of short stories (a local file in SQuALITY JSON Lines, v1.3)',
  reference: 'arXiv 2205.11465',
  version: 1,
  splits: ['train', 'validation', 'test'],
  options: z.strictObject({ data: z.string().describe('path of the JSON Lines file') }),
  open: ({ data }) => passageSource(readSquality(data)),
});
