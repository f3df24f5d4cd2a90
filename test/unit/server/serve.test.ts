/** The server, with OpenAI's own client. */
import OpenAI from 'openai';
import fc from 'fast-check';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptRows } from '../../../src/base/rounding.js';
import { checkAccess } from '../../../src/server/access.js';
import { makeService, type ServerOptions, type Service } from '../../../src/server/app.js';
import type { ServeOptions } from '../../../src/workflows/serve.js';
import { startServer, type Running } from '../../../src/workflows/serve.js';
import { shipped } from '../../helpers/contexts.js';

const limits = {
  contexts: 4,
  bytes: 2 ** 30,
  bodyBytes: 100_000,
  contextTokens: 2000,
  promptTokens: 200,
  answerTokens: 16,
  queue: 256,
  batch: 16,
};
const people = ['Yusuf Silva', 'Mina Nolan', 'Bella Gallo'];
const colors = ['amber', 'olive', 'mauve'];
const question = 'what is the color of NAME?';
const logged: unknown[] = [];

let running: Running;
let client: OpenAI;
/** Ids of contexts; in the i-th, the j-th person has the color i + j. */
let ids: string[];
let options: ServerOptions;

const textOf = (shift: number): string =>
  people.map((name, j) => `The color of ${name} is ${colors[(shift + j) % 3]}.`).join(' ');
const upload = (body: object): Promise<{ id: string; rows: number; tokens: number }> =>
  client.post('/contexts', { body });
const clientOf = (apiKey = 'none'): OpenAI => new OpenAI({ baseURL: running.url, apiKey, maxRetries: 0 });
const messages = (content: string): OpenAI.ChatCompletionMessageParam[] => [{ role: 'user', content }];

async function ask(api: OpenAI, model: string, person: string, stream: boolean): Promise<string> {
  const request = { model, messages: messages(question.replace('NAME', person)) };
  if (!stream) return (await api.chat.completions.create(request)).choices[0]!.message.content!;
  let text = '';
  for await (const part of await api.chat.completions.create({ ...request, stream })) {
    text += part.choices[0]!.delta.content ?? '';
  }
  return text;
}

beforeAll(async () => {
  const given: ServeOptions = {
    contexts: [],
    model: 'llama-small',
    retention: 1,
    host: '127.0.0.1',
    port: 0,
    limits,
    log: (line) => logged.push(line),
  };
  running = await startServer(given);
  client = clientOf();
  ids = [];
  for (const shift of [0, 1, 2]) ids.push((await upload({ text: textOf(shift), name: `shift ${shift}` })).id);
  const { model, compressor } = await shipped();
  options = {
    model,
    compressor,
    retention: 1,
    access: { host: '127.0.0.1' },
    limits,
    onError: (e) => logged.push(e),
  };
});

afterAll(async () => {
  await running.stop();
  expect(logged).toEqual([]);
});

describe('contexts', () => {
  it('are compressed once, listed as models, appended to, and gone when deleted', async () => {
    const made = await upload({ documents: [{ text: textOf(0), retention: 0.5 }] });
    expect(made.rows).toBe(keptRows(0.5, made.tokens));
    const listed = (await client.models.list()).data.map(({ id }) => id);
    expect(listed).toEqual([...ids, made.id]);
    await expect(upload({ text: 'more' })).rejects.toMatchObject({ status: 429, code: 'too_many_contexts' });
    await client.delete(`/contexts/${made.id}`);
    const more = await upload({ text: 'The color of Stefan Costa is beige.', after: ids[0] });
    expect(await ask(client, more.id, 'Stefan Costa', false)).toBe('beige');
    await client.delete(`/contexts/${more.id}`);
    await expect(client.models.retrieve(more.id)).rejects.toMatchObject({
      status: 404,
      code: 'context_not_found',
    });
  });
});

describe('chat completions', () => {
  it('say what was asked, whole and streamed, with usage', async () => {
    const request = { model: ids[0]!, messages: messages(question.replace('NAME', people[1]!)) };
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'olive' },
    });
    const { usage } = whole;
    expect(usage!.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
    expect(usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(20);
    const parts = [];
    const streamed = { ...request, stream: true as const, stream_options: { include_usage: true } };
    for await (const part of await client.chat.completions.create(streamed)) parts.push(part);
    expect(parts.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('olive');
    expect(parts.at(-2)!.choices[0]!.finish_reason).toBe('stop');
    expect(parts.at(-1)!.usage).toEqual(usage);
    const named = {
      ...request,
      model: 'llama-small',
      metadata: { context: ids[0]! },
      max_completion_tokens: 1,
    };
    const { choices } = await client.chat.completions.create(named);
    expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'olive' } });
  });

  it('are never mixed up among 48 requests from 8 clients at once', async () => {
    const clients = Array.from({ length: 8 }, () => clientOf());
    const asked = Array.from({ length: 48 }, (_, i) => ({
      shift: i % 3,
      person: (i >> 1) % 3,
      stream: i % 4 === 0,
    }));
    const got = await Promise.all(
      asked.map(({ shift, person, stream }, i) => ask(clients[i % 8]!, ids[shift]!, people[person]!, stream)),
    );
    expect(got).toEqual(asked.map(({ shift, person }) => colors[(shift + person) % 3]));
  });

  it('leave no tensor behind, though clients go away in the middle and contexts are deleted under them', async () => {
    const before = tf.memory().numTensors;
    const made = await upload({ text: textOf(1) });
    const stream = await client.chat.completions.create({
      model: made.id,
      messages: messages('who?'),
      stream: true,
    });
    for await (const _ of stream) break;
    const shelved = running.service.shelf.get(made.id, 'id');
    // A question behind that of the client that went away: once it is answered, so is that.
    const request = {
      model: made.id,
      messages: messages(question.replace('NAME', people[0]!)),
      stream: true,
    } as const;
    let text = '';
    for await (const part of await client.chat.completions.create(request)) {
      if (!shelved.removed) running.service.shelf.remove(made.id, 'id');
      text += part.choices[0]!.delta.content ?? '';
    }
    expect(text).toBe('olive');
    expect(shelved.readers).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('what is refused, in the shape of OpenAI', () => {
  const post = (service: Service, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    Promise.resolve(
      service.app.request('http://127.0.0.1/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', host: '127.0.0.1', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    );
  const errorOf = async (response: Response): Promise<unknown> => {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(error.message).toMatch(/\w/);
    return [response.status, error.code];
  };

  it.each([
    ['no JSON', '{"a', {}, [400, 'invalid_json']],
    ['another type', '{}', { 'content-type': 'text/plain' }, [415, 'unsupported_media_type']],
    ['a body too large', 'x'.repeat(100_001), {}, [413, 'body_too_large']],
    ['another host', '{}', { host: 'evil.example' }, [403, 'wrong_host']],
    ['no messages', { model: 'x', messages: [] }, {}, [400, 'invalid_value']],
    ['no such context', { model: 'x', messages: messages('q') }, {}, [404, 'context_not_found']],
    [
      'a temperature',
      { model: 'x', messages: messages('q'), temperature: 0.7 },
      {},
      [400, 'unsupported_value'],
    ],
    [
      'an image',
      { model: 'x', messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      {},
      [400, 'invalid_value'],
    ],
    [
      'a long prompt',
      { model: 'x', messages: messages('color '.repeat(300)) },
      {},
      [400, 'context_length_exceeded'],
    ],
    [
      'an answer at the end',
      { model: 'x', messages: [{ role: 'assistant', content: 'a' }] },
      {},
      [400, 'invalid_value'],
    ],
  ])('%s', async (_what, body, headers, expected) => {
    expect(await errorOf(await post(makeService(options), body, headers))).toEqual(expected);
  });

  it('whoever lacks the token, where there is one', async () => {
    const token = 'a token of enough letters';
    const service = makeService({ ...options, access: { host: '0.0.0.0', token } });
    expect(await errorOf(await post(service, {}))).toEqual([401, 'invalid_api_key']);
    expect(await errorOf(await post(service, {}, { authorization: 'Bearer wrong' }))).toEqual([
      401,
      'invalid_api_key',
    ]);
    expect(await errorOf(await post(service, {}, { authorization: `Bearer ${token}`, host: 'any' }))).toEqual(
      [400, 'invalid_value'],
    );
    expect(() => checkAccess({ host: '0.0.0.0' })).toThrow(/no token is set/);
    expect(() => checkAccess({ host: '::' })).toThrow(/no token is set/);
    expect(() => checkAccess({ host: '127.0.0.1', token: 'short' })).toThrow(/fewer than/);
  });

  it('more requests than may wait, and all once it shuts down', async () => {
    const service = makeService({ ...options, limits: { ...limits, queue: 2 } });
    const made = await service.app.request('http://127.0.0.1/v1/contexts', {
      method: 'POST',
      headers: { 'content-type': 'application/json', host: '127.0.0.1' },
      body: JSON.stringify({ text: textOf(0) }),
    });
    const { id } = (await made.json()) as { id: string };
    const body = { model: id, messages: messages(question.replace('NAME', people[0]!)) };
    const all = await Promise.all(Array.from({ length: 6 }, () => post(service, body)));
    const statuses = all.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    const refused = all.find(({ status }) => status !== 200)!;
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await errorOf(refused)).toEqual([429, 'queue_full']);
    expect((await post(service, body)).status).toBe(200);
    const last = post(service, body);
    await new Promise(setImmediate);
    const closing = service.close();
    expect(await errorOf(await post(service, body))).toEqual([503, 'shutting_down']);
    expect((await last).status).toBe(200);
    await closing;
    // Contexts are gone by now, which is no reason to say that there never was one.
    expect(await errorOf(await post(service, body))).toEqual([503, 'shutting_down']);
  });

  it('whatever a body holds, with an error and never a failure', async () => {
    const service = makeService(options);
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record({
        model: fc.jsonValue(),
        messages: fc.jsonValue(),
        max_tokens: fc.jsonValue(),
        stream: fc.jsonValue(),
      }),
      fc.record({
        text: fc.jsonValue(),
        documents: fc.jsonValue(),
        retention: fc.jsonValue(),
        after: fc.string(),
      }),
    );
    const paths = fc.constantFrom('/v1/contexts', '/v1/chat/completions', '/v1/contexts/%zz', '/v1/x');
    const property = fc.asyncProperty(paths, body, async (path, value) => {
      const response = await service.app.request(`http://127.0.0.1${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', host: '127.0.0.1' },
        body: typeof value === 'string' ? value : JSON.stringify(value),
      });
      expect([400, 404, 413]).toContain(response.status);
      expect(await response.json()).toMatchObject({ error: { message: expect.any(String) as string } });
    });
    await fc.assert(property, { numRuns: Number(process.env.KVD_FUZZ_RUNS ?? 300), seed: 7 });
  });
});
