import { ask, compress, disposeContext, loadModel } from 'kv-distill';

const model = await loadModel('llama-small');
const text = 'The color of Yusuf Silva is amber. For Mina Nolan the job is tailor.';
const h2i = { method: 'h2i', methodOptions: { n_sink: 1 } };

// The first sentence is kept whole, the rest to a half.
const sentence = { to: text.indexOf('For'), retention: 1 };
const first = await compress(model, { text, spans: [sentence] }, { ...h2i, retention: 0.5 });
for (const { from, to, kept } of first.info.segments) console.log(`tokens ${from} to ${to}: ${kept} rows`);

// Another document behind it, kept whole.
const more = { text: 'For Twin Ladder the color is olive.', name: 'more', retention: 1 };
const both = await compress(model, more, { ...h2i, after: first });
console.log(await ask(model, both, 'what is the color of Twin Ladder?', { maxNewTokens: 8 }));

disposeContext(first);
disposeContext(both);
model.dispose();
