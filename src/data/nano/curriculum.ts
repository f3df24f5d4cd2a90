/**
 * Pre-training sequences for the nano world, stage by stage. Looking a fact up by (name, attribute) is
 * learned only in steps: bare pairs and copying first, then plain sentences, then free phrasing, then long
 * documents with choices and summaries.
 */
import { Random } from '../../engine/random.js';
import type { Passage, Question } from '../passage.js';
import { choiceQuestion } from '../multiple-choice.js';
import { makeDocument, randomValue, type DocumentShape, type Split } from './document.js';
import { fullShape } from './index.js';
import { makeLongDocument } from './long-document.js';
import { CHOICES, longShape, reportSummary } from './long-questions.js';
import { longPassage } from './mix.js';
import { makeNeedle } from './needle.js';

/** Text pieces of one training sequence with the weight of their tokens in the loss. */
export interface Piece {
  kind: 'document' | 'copy' | 'question' | 'answer';
  text: string;
}

/** Loss weights: a document's own words cannot be foreseen, a copy can, an answer is what counts. */
export const pieceWeights: Readonly<Record<Piece['kind'], number>> = {
  document: 0.1,
  copy: 0.9,
  question: 0.1,
  answer: 1,
};

/** Sequences of one length and kind: what one training step is made of. */
export interface Source {
  /** How often a step is made of it, among the sources of its stage. */
  share: number;
  /** Tokens of a sequence. */
  tokens: number;
  /** Sequences of a step, as a share of the micro-batch size. */
  rows: number;
  pieces(split: Split, random: Random): Piece[];
}

function ask(questions: readonly Pick<Question, 'question' | 'answers'>[]): Piece[] {
  return questions.flatMap(({ question, answers }): Piece[] => [
    { kind: 'question', text: question },
    { kind: 'answer', text: answers[0]! },
  ]);
}

/** A text with what is asked about it. */
type Lesson = Pick<Passage, 'context' | 'questions'>;

/** Sequences of a text followed by its questions and answers. */
function lessons(tokens: number, rows: number, make: (split: Split, random: Random) => Lesson): Source {
  return {
    share: 1,
    tokens,
    rows,
    pieces: (split, random) => {
      const { context, questions } = make(split, random);
      return [{ kind: 'document', text: context }, ...ask(questions)];
    },
  };
}

/**
 * Short documents: perhaps a copy of the document, then all its questions in random order.
 * @param mixture document shapes and how often each occurs
 * @param copy how often the document is followed by a copy of its sentences
 */
function short(
  tokens: number,
  mixture: readonly { share: number; shape: DocumentShape }[],
  copy: number,
): Source {
  const pieces = (split: Split, random: Random): Piece[] => {
    let left = random.uniform();
    const entry = mixture.find(({ share }) => (left -= share) < 0) ?? mixture.at(-1)!;
    const attributesPerEntity = 1 + random.int(entry.shape.attributesPerEntity);
    const document = makeDocument({ ...entry.shape, attributesPerEntity }, split, random);
    const before: Piece[] = [{ kind: 'document', text: document.sentences.join(' ') }];
    if (random.uniform() < copy) {
      const sentences = random.uniform() < 0.5 ? random.shuffle(document.sentences) : document.sentences;
      before.push({ kind: 'copy', text: sentences.join(' ') });
    }
    return [...before, ...ask(document.facts.map(({ question, value }) => ({ question, answers: [value] })))];
  };
  return { share: 1, tokens, rows: 1, pieces };
}

/**
 * Short documents whose questions have choices, the wrong ones from the attribute's whole list: the letter behind a
 * text is looked up where little else is to be learned.
 */
function choices(tokens: number): Source {
  return lessons(tokens, 1, (split, random) => {
    const document = makeDocument({ ...fullShape, facts: [3, 5] }, split, random);
    const questions = document.facts.map(({ question, attribute, value }) => {
      const texts = new Set([value]);
      while (texts.size < CHOICES) texts.add(randomValue(attribute, split, random));
      const shuffled = random.shuffle([...texts]);
      return choiceQuestion({ id: '', question }, shuffled, shuffled.indexOf(value), 'letter-last');
    });
    return { context: document.sentences.join(' '), questions };
  });
}

/** Long documents of a number of words with every kind of question. */
function long(tokens: number, rows: number, words: readonly [number, number]): Source {
  return lessons(tokens, rows, (split, random) => longPassage(split, random, '', words));
}

/** Long documents with the summary of the whole report. */
function report(tokens: number, rows: number, words: readonly [number, number]): Source {
  return lessons(tokens, rows, (split, random) => {
    const document = makeLongDocument({ ...longShape, words }, split, random);
    return { context: document.sentences.join(' '), questions: [reportSummary(document, '')] };
  });
}

function needle(tokens: number, rows: number, words: number): Source {
  return lessons(tokens, rows, (split, random) =>
    makeNeedle({ words, depth: 100 * random.uniform() }, split, random, ''),
  );
}

const plain: DocumentShape = {
  facts: [3, 6],
  attributesPerEntity: 3,
  statementForms: 1,
  questionForms: 1,
  fillers: [0, 0],
  twoWordValues: false,
  bare: false,
};
const bare: DocumentShape = { ...plain, facts: [3, 5], attributesPerEntity: 1, bare: true };
const full = short(
  192,
  [
    { share: 0.7, shape: fullShape },
    { share: 0.3, shape: { ...fullShape, facts: [3, 6] } },
  ],
  0.2,
);

/** The stages by name; an experiment's `curriculum` says in which order, and when to go on. */
export const stages: Readonly<Record<string, readonly Source[]>> = {
  pairs: [short(112, [{ share: 1, shape: bare }], 1)],
  mixed: [
    short(
      144,
      [
        { share: 0.6, shape: plain },
        { share: 0.4, shape: bare },
      ],
      0.4,
    ),
  ],
  plain: [short(144, [{ share: 1, shape: plain }], 0.4)],
  full: [full],
  choices: [choices(224)],
  medium: [
    { ...choices(224), share: 0.1 },
    { ...full, share: 0.2 },
    { ...long(672, 0.5, [330, 400]), share: 0.6 },
    { ...report(480, 0.5, [330, 400]), share: 0.2 },
  ],
  long: [
    { ...full, share: 0.15 },
    { ...long(1408, 0.25, longShape.words), share: 0.55 },
    { ...report(1216, 0.25, longShape.words), share: 0.2 },
    { ...needle(320, 0.5, 256), share: 0.05 },
    { ...needle(1120, 0.25, 1024), share: 0.05 },
  ],
};

/** The source that a step of a stage is made of, drawn by share. */
export function drawSource(sources: readonly Source[], seed: string): Source {
  if (sources.length === 1) return sources[0]!;
  let left = new Random(`${seed}/source`).uniform();
  return sources.find(({ share }) => (left -= share) < 0) ?? sources.at(-1)!;
}
