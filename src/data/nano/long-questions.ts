/** What is asked about long documents: choices, values, summaries. */
import type { Random } from '../../engine/random.js';
import { choiceQuestion } from '../multiple-choice.js';
import type { Question } from '../passage.js';
import type { Fact } from './document.js';
import { summaryReferences, type LongDocument, type LongShape } from './long-document.js';

/** At least 1,000 tokens: seven times the context of the base models' extractive questions. */
export const longShape: LongShape = { words: [1010, 1090], profiles: 4, others: 12 };

/** Choices of a question. */
export const CHOICES = 4;

/** Up to `count` questions with four choices, all of which stand in the document as values of the attribute. */
export function choiceQuestions(
  document: LongDocument,
  count: number,
  random: Random,
  id: string,
): Question[] {
  const valuesOf = (attribute: string): string[] => [
    ...new Set(document.facts.filter((fact) => fact.attribute === attribute).map((fact) => fact.value)),
  ];
  return random
    .shuffle(document.facts.filter((fact) => valuesOf(fact.attribute).length >= CHOICES))
    .slice(0, count)
    .map((fact, i) => {
      const wrong = random.shuffle(valuesOf(fact.attribute).filter((value) => value !== fact.value));
      const texts = random.shuffle([fact.value, ...wrong.slice(0, CHOICES - 1)]);
      const tags = [fact.value.includes(' ') ? 'two-word' : 'one-word'];
      const question = { id: `${id}-choice-${i}`, question: fact.question, tags };
      return choiceQuestion(question, texts, texts.indexOf(fact.value), 'letter-last');
    });
}

/** Up to `count` questions that are answered by a value alone. */
export function valueQuestions(
  facts: readonly Fact[],
  count: number,
  random: Random,
  id: string,
): Question[] {
  return random
    .shuffle([...facts])
    .slice(0, count)
    .map(({ question, value }, i) => ({ id: `${id}-value-${i}`, question, answers: [value] }));
}

/** A request for a summary of each of up to `count` profiles. */
export function profileSummaries(
  { profiles, sentences }: LongDocument,
  count: number,
  random: Random,
  id: string,
): Question[] {
  return random
    .shuffle([...profiles])
    .slice(0, count)
    .map((profile, i) => ({
      id: `${id}-profile-${i}`,
      question: `summarize ${profile.name}.`,
      answers: summaryReferences(profile, sentences),
    }));
}

/** The request for a summary of the whole report: of the two subjects of its title. */
export function reportSummary({ subjects, sentences }: LongDocument, id: string): Question {
  const references = subjects.map((subject) => summaryReferences(subject, sentences));
  return {
    id: `${id}-report`,
    question: 'summarize the report.',
    answers: references[0]!.map((_, i) => references.map((of) => of[i]!).join(' ')),
  };
}
