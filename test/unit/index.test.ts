/** The public API, one by one: decoder, tokenizer, methods and generation. */
import { expect, test } from 'vitest';
import {
  contextIds,
  disposeCache,
  greedy,
  keptRows,
  loadDecoder,
  loadTokenizer,
  methods,
  questionIds,
  startEngine,
} from '../../src/index.js';

test('compresses a context once and asks it twice', async () => {
  await startEngine();
  const model = loadDecoder('models/nano/llama-small');
  const tokenizer = loadTokenizer('models/nano/llama-small');
  const context = contextIds(
    tokenizer,
    'The color of Yusuf Silva is amber. For Mina Nolan the job is tailor.',
  );
  const ask = (retention: number): { rows: number; answers: string[] } => {
    const kept = [keptRows(retention, context.length)];
    const { cache } = methods.get('h2i').compress({ model, contexts: [context], kept }, { n_sink: 1 });
    const answers = ['what is the color of Yusuf Silva?', 'what is the job of Mina Nolan?'].map(
      (question) => {
        const prompt = questionIds(tokenizer, question);
        const options = { maxNewTokens: 8, eosIds: [tokenizer.eosId] };
        return tokenizer.decode(greedy(model, cache, [prompt], options)[0]!).trim();
      },
    );
    const rows = cache.keys[0]!.shape[2];
    disposeCache(cache);
    return { rows, answers };
  };
  try {
    expect(ask(1)).toEqual({ rows: context.length, answers: ['amber', 'tailor'] });
    expect(ask(0.5).rows).toBe(keptRows(0.5, context.length));
  } finally {
    model.dispose();
  }
});
