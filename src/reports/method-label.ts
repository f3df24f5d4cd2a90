/** A method and its options as one short name. */

export interface NamedOptions {
  of?: { name: string } & NamedOptions;
  scores?: { name: string } & NamedOptions;
  question?: boolean;
}

/** Methods that always look at the question (test/contract/methods.test.ts asks them); others do as their options say. */
const QUESTION_NAMES = new Set(['finch', 'h2a', 'snapkv-question']);

/** `adakv of tova (question)`, and whether the question is seen while compressing. */
export function methodLabel(name: string, options: NamedOptions): { label: string; questionAware: boolean } {
  const inner = options.of ?? options.scores;
  const inside = inner && methodLabel(inner.name, inner);
  const own = `${name}${options.question === true ? ' (question)' : ''}`;
  return {
    label: inside === undefined ? own : `${own} ${options.of ? 'of' : 'with scores of'} ${inside.label}`,
    questionAware: QUESTION_NAMES.has(name) || options.question === true || (inside?.questionAware ?? false),
  };
}
