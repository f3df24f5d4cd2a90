/**
 * Pre-training sequences for the nano world, stage by stage. Looking a fact up by (name, attribute) is
 * learned only in steps: bare pairs and copying first, then plain sentences, then free phrasing.
 */
import { Random } from '../../engine/random.js';
import { fullShape } from './index.js';
import { makeDocument, type DocumentShape, type Split } from './document.js';

export interface Stage {
  /** Tokens of a sequence. */
  tokens: number;
  /** Document shapes and how often each occurs. */
  mixture: readonly { share: number; shape: DocumentShape }[];
  /** How often the document is followed by a copy of its sentences. */
  copy: number;
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

/** The stages by name; an experiment's `curriculum` says in which order, and when to go on. */
export const stages: Readonly<Record<string, Stage>> = {
  pairs: { tokens: 112, mixture: [{ share: 1, shape: bare }], copy: 1 },
  mixed: {
    tokens: 144,
    mixture: [
      { share: 0.6, shape: plain },
      { share: 0.4, shape: bare },
    ],
    copy: 0.4,
  },
  plain: { tokens: 144, mixture: [{ share: 1, shape: plain }], copy: 0.4 },
  full: {
    tokens: 192,
    mixture: [
      { share: 0.7, shape: fullShape },
      { share: 0.3, shape: { ...fullShape, facts: [3, 6] } },
    ],
    copy: 0.2,
  },
};

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

/** One sequence of `stage`: a document, perhaps a copy of it, then all its questions in random order. */
export function makePieces(stage: Stage, split: Split, seed: string): Piece[] {
  const random = new Random(seed);
  let left = random.uniform();
  const entry = stage.mixture.find(({ share }) => (left -= share) < 0) ?? stage.mixture.at(-1)!;
  const attributesPerEntity = 1 + random.int(entry.shape.attributesPerEntity);
  const document = makeDocument({ ...entry.shape, attributesPerEntity }, split, random);
  const pieces: Piece[] = [{ kind: 'document', text: document.sentences.join(' ') }];
  if (random.uniform() < stage.copy) {
    const sentences = random.uniform() < 0.5 ? random.shuffle(document.sentences) : document.sentences;
    pieces.push({ kind: 'copy', text: sentences.join(' ') });
  }
  for (const fact of document.facts) {
    pieces.push({ kind: 'question', text: fact.question }, { kind: 'answer', text: fact.value });
  }
  return pieces;
}
