/**
 * Many clients at once: 200 requests from 8 of OpenAI's own clients to a server of this build, half of them streamed, of
 * six contexts that answer the same questions differently. Fails on any error and any answer that is another context's.
 * `node scripts/serve-load.mjs [requests] [clients]`
 */
import OpenAI from 'openai';
import { startServer } from '../dist/workflows/serve.js';

const [requests = 200, clients = 8] = process.argv.slice(2).map(Number);
const people = ['Yusuf Silva', 'Mina Nolan', 'Bella Gallo'];
const colors = ['amber', 'olive', 'mauve', 'beige', 'maroon', 'amber'];

const running = await startServer({
  contexts: [],
  model: 'llama-small',
  retention: 1,
  host: '127.0.0.1',
  port: 0,
  limits: {
    contexts: 16,
    bytes: 2 ** 30,
    bodyBytes: 2 ** 20,
    contextTokens: 2000,
    promptTokens: 200,
    answerTokens: 16,
    queue: 256,
    batch: 16,
  },
  log: console.error,
});
const apis = Array.from(
  { length: clients },
  () => new OpenAI({ baseURL: running.url, apiKey: 'none', maxRetries: 0 }),
);
const colorOf = (shift, j) => colors[(shift + j) % colors.length];
const ids = [];
for (const shift of colors.keys()) {
  const text = people.map((name, j) => `The color of ${name} is ${colorOf(shift, j)}.`).join(' ');
  ids.push((await apis[0].post('/contexts', { body: { text } })).id);
}

async function ask(i) {
  const [shift, j] = [i % ids.length, Math.floor(i / ids.length) % people.length];
  const request = {
    model: ids[shift],
    messages: [{ role: 'user', content: `what is the color of ${people[j]}?` }],
  };
  let text = '';
  if (i % 2 === 0)
    text = (await apis[i % clients].chat.completions.create(request)).choices[0].message.content;
  else {
    for await (const part of await apis[i % clients].chat.completions.create({ ...request, stream: true })) {
      text += part.choices[0].delta.content ?? '';
    }
  }
  if (text !== colorOf(shift, j)) throw new Error(`request ${i}: ${text}, not ${colorOf(shift, j)}`);
}

const started = performance.now();
const results = await Promise.allSettled(Array.from({ length: requests }, (_, i) => ask(i)));
const failed = results.filter(({ status }) => status === 'rejected');
for (const { reason } of failed.slice(0, 5)) console.error(String(reason));
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${requests} requests from ${clients} clients in ${seconds} s: ${failed.length} failed`);
await running.stop();
process.exitCode = failed.length === 0 ? 0 : 1;
