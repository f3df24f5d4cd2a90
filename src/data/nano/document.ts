/** Generated documents about people, places and things, with held-out names and value combinations. */
import type { Random } from '../../engine/random.js';
import { fillers, kinds, questions, statements, type EntityKind } from './words.js';

export type Split = 'train' | 'validation' | 'test';

/** How rich the generated documents are. */
export interface DocumentShape {
  /** Facts in a document, [least, most]. */
  facts: readonly [number, number];
  /** Attributes that one entity may have at most. */
  attributesPerEntity: number;
  /** How many of the statement and question forms are in use. */
  statementForms: number;
  questionForms: number;
  /** Filler sentences, [least, most]. */
  fillers: readonly [number, number];
  /** Whether attributes with two-word values occur. */
  twoWordValues: boolean;
  /** `NAME VALUE.` instead of a statement: the curriculum's first step. */
  bare: boolean;
}

export interface Fact {
  name: string;
  attribute: string;
  value: string;
  sentence: string;
  question: string;
}

export interface NanoDocument {
  sentences: string[];
  /** `sharedBy`: how many entities of the document have this attribute; chance is one in that number. */
  facts: (Fact & { sharedBy: number })[];
}

const SPLIT_CLASSES: Record<Split, readonly number[]> = { train: [0, 1, 2], validation: [3], test: [4] };

/** A pair of words whose combination belongs to `split` alone. */
function pickPair(lists: readonly (readonly string[])[], split: Split, random: Random): string {
  const [first, second] = lists as readonly [readonly string[], readonly string[]];
  const classes = SPLIT_CLASSES[split];
  for (;;) {
    const i = random.int(first.length);
    const j = random.int(second.length);
    if (classes.includes((i + 2 * j) % 5)) return `${first[i]} ${second[j]}`;
  }
}

function pickValue(lists: readonly (readonly string[])[], split: Split, random: Random): string {
  return lists.length === 1 ? random.pick(lists[0]!) : pickPair(lists, split, random);
}

/** Any value of an attribute, whichever kind of entity has it. */
export function randomValue(attribute: string, split: Split, random: Random): string {
  const kind = Object.values(kinds).find(({ attributes }) => attribute in attributes)!;
  return pickValue(kind.attributes[attribute]!, split, random);
}

function between(range: readonly [number, number], random: Random): number {
  return range[0] + random.int(range[1] - range[0] + 1);
}

function fill(form: string, name: string, attribute: string, value = ''): string {
  return form.replace('ATTRIBUTE', attribute).replace('NAME', name).replace('VALUE', value);
}

/** A name of this kind that is not in `names` yet, and is put there. */
export function newEntity(kind: EntityKind, split: Split, names: Set<string>, random: Random): string {
  for (;;) {
    const name = pickPair([kind.first, kind.second], split, random);
    if (names.has(name)) continue;
    names.add(name);
    return name;
  }
}

/** A fact with a value of its own, told and asked in any form. */
export function tell(kind: EntityKind, name: string, attribute: string, split: Split, random: Random): Fact {
  const value = pickValue(kind.attributes[attribute]!, split, random);
  return {
    name,
    attribute,
    value,
    sentence: fill(random.pick(statements), name, attribute, value),
    question: fill(random.pick(questions), name, attribute),
  };
}

/** One document; names and two-word values are combinations that only `split` uses. */
export function makeDocument(shape: DocumentShape, split: Split, random: Random): NanoDocument {
  const kind: EntityKind = kinds[random.pick(['person', 'place', 'thing'] as const)];
  const usable = Object.keys(kind.attributes).filter(
    (attribute) => shape.twoWordValues || kind.attributes[attribute]!.length === 1,
  );
  const attributes = random
    .shuffle([...usable])
    .slice(0, Math.min(usable.length, shape.attributesPerEntity + (shape.attributesPerEntity > 1 ? 1 : 0)));
  const wanted = between(shape.facts, random);
  const names = new Set<string>();
  const told: { name: string; attribute: string; value: string }[] = [];
  while (told.length < wanted) {
    const name = newEntity(kind, split, names, random);
    const many = 1 + random.int(shape.attributesPerEntity);
    for (const attribute of random.shuffle([...attributes]).slice(0, many)) {
      if (told.length < wanted) {
        told.push({ name, attribute, value: pickValue(kind.attributes[attribute]!, split, random) });
      }
    }
  }
  const facts = told.map(({ name, attribute, value }) => ({
    name,
    attribute,
    value,
    sharedBy: told.filter((other) => other.attribute === attribute).length,
    sentence: shape.bare
      ? `${name} ${value}.`
      : fill(statements[random.int(shape.statementForms)]!, name, attribute, value),
    question: shape.bare ? `${name}?` : fill(questions[random.int(shape.questionForms)]!, name, attribute),
  }));
  const extra = Array.from({ length: between(shape.fillers, random) }, () => random.pick(fillers));
  return {
    sentences: random.shuffle([...facts.map((fact) => fact.sentence), ...extra]),
    facts: random.shuffle([...facts]),
  };
}
