/** A context prefilled and compressed. */
import { disposeCache } from '../../dist/models/cache.js';
import { methods } from '../../dist/methods/index.js';
import { randomDecoder, randomIds } from './model.mjs';

export function prepare(work, shape) {
  const { model } = randomDecoder(shape);
  const method = methods.get(work.method);
  const options = method.options.parse({});
  const request = {
    model,
    contexts: [randomIds(work.tokens, shape.vocabulary, 'context')],
    kept: [work.kept],
  };
  return { run: () => disposeCache(method.compress(request, options).cache) };
}
