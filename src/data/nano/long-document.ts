/**
 * Long documents of the nano world: a title that names two subjects, profiles (entities of which every attribute
 * is told, the subjects among them), entities of which little is told, and sentences without a fact.
 */
import type { Random } from '../../engine/random.js';
import { newEntity, tell, type Fact, type Split } from './document.js';
import { fillerPatterns, kinds, type EntityKind } from './words.js';

export interface LongShape {
  /** Words and marks in the document, which is cut off at the first sentence to reach it. */
  words: readonly [number, number];
  /** Entities of which everything is told, the two subjects of the title included. */
  profiles: number;
  /** Entities of which one or two facts are told. */
  others: number;
}

export interface Profile {
  name: string;
  /** In the order in which the kind's attributes stand in `words.ts`. */
  facts: readonly Fact[];
}

export interface LongDocument {
  sentences: readonly string[];
  /** The two profiles that the title names. */
  subjects: readonly Profile[];
  profiles: readonly Profile[];
  facts: readonly Fact[];
}

function length(sentence: string): number {
  return sentence.match(/\w+|[^\w\s]/g)!.length;
}

export function fillerSentence(random: Random): string {
  return `${random
    .pick(fillerPatterns)
    .map((list) => random.pick(list))
    .join(' ')}.`;
}

/** `count` sentences without a fact put at random places of `sentences`, until they come to `words` words. */
export function spread(sentences: readonly string[], words: number, random: Random): string[] {
  const fillers: string[] = [];
  let left = words - sentences.reduce((sum, sentence) => sum + length(sentence), 0);
  while (left > 0) {
    const filler = fillerSentence(random);
    fillers.push(filler);
    left -= length(filler);
  }
  return random.shuffle([...sentences, ...fillers]);
}

/** One long document; names and two-word values are combinations that only `split` uses. */
export function makeLongDocument(shape: LongShape, split: Split, random: Random): LongDocument {
  const chosen = random.shuffle<EntityKind>([kinds.person, kinds.place, kinds.thing]).slice(0, 2) as [
    EntityKind,
    EntityKind,
  ];
  const names = new Set<string>();
  const entity = (kind: EntityKind, attributes: readonly string[]): Profile => {
    const name = newEntity(kind, split, names, random);
    return { name, facts: attributes.map((attribute) => tell(kind, name, attribute, split, random)) };
  };
  const profiles = Array.from({ length: shape.profiles }, (_, i) => {
    const kind = chosen[i % 2]!;
    return entity(kind, Object.keys(kind.attributes));
  });
  const others = Array.from({ length: shape.others }, () => {
    const kind = random.pick(chosen);
    const attributes = random.shuffle(Object.keys(kind.attributes));
    return entity(kind, attributes.slice(0, 1 + random.int(2)));
  });
  const subjects = random.shuffle([...profiles]).slice(0, 2);
  const title = `This report is about ${subjects[0]!.name} and ${subjects[1]!.name}.`;
  const facts = [...profiles, ...others].flatMap((profile) => profile.facts);
  const [least, most] = shape.words;
  const wanted = least + random.int(most - least + 1) - length(title);
  return {
    sentences: [
      title,
      ...spread(
        facts.map((fact) => fact.sentence),
        wanted,
        random,
      ),
    ],
    subjects,
    profiles,
    facts,
  };
}

/** What a summary says of one entity, its facts in the order given. */
export function summaryOf(name: string, facts: readonly Fact[]): string {
  return `${name} has ${facts.map(({ attribute, value }) => `${attribute} ${value}`).join(', ')}.`;
}

/** Reference summaries of an entity: by attribute (the one to train on), as told in the document, and in its words. */
export function summaryReferences({ name, facts }: Profile, sentences: readonly string[]): string[] {
  const told = [...facts].sort((a, b) => sentences.indexOf(a.sentence) - sentences.indexOf(b.sentence));
  return [summaryOf(name, facts), summaryOf(name, told), told.map((fact) => fact.sentence).join(' ')];
}
