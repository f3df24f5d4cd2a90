/** Which of a model repository's files are worth their bytes. */

const METADATA = /^(?:[^/]+\.(?:json|jinja|model|md|txt)|[^/]*(?:LICENSE|LICENCE|USE_POLICY|NOTICE)[^/]*)$/i;
const WEIGHTS = /^[^/]+\.safetensors$/;
/** The same weights once more, in Mistral's own layout. */
const SECOND_COPY = /^consolidated.*\.safetensors$/;

/** Configuration, tokenizer, licence and safetensors at the top of a repository; not the same weights in other formats. */
export function modelFiles(names: readonly string[]): string[] {
  const weights = names.filter((name) => WEIGHTS.test(name));
  const others = weights.filter((name) => !SECOND_COPY.test(name));
  return names.filter((name) => METADATA.test(name) || (others.length > 0 ? others : weights).includes(name));
}

/** Names that match any of `patterns`, in which `*` stands for anything, slashes included. */
export function matching(names: readonly string[], patterns: readonly string[]): string[] {
  const expressions = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .split('*')
          .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
          .join('.*')}$`,
      ),
  );
  return names.filter((name) => expressions.some((expression) => expression.test(name)));
}
