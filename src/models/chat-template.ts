/** Chat templates: Jinja from outside, run where it can neither take long nor take much. */
import { createRequire } from 'node:module';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { UserError } from '../base/errors.js';

const require = createRequire(import.meta.url);

export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

const MAX_TEMPLATE = 2 ** 20;
const MAX_TEXT = 2 ** 20;
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };
const LIMIT_MS = 20_000;

/** Renders each conversation; the names are those that Transformers gives its templates. */
const PROGRAM = `
const { workerData: { jinja, template, variables, conversations, limit, signal, port } } = require('node:worker_threads');
const answer = (message) => { port.postMessage(message); Atomics.store(signal, 0, 1); Atomics.notify(signal, 0); };
try {
  const { Template } = require(jinja);
  const parsed = new Template(template);
  const texts = conversations.map((conversation) => parsed.render({ ...variables, ...conversation }));
  if (texts.some((text) => text.length > limit)) throw new Error('gives more than ' + limit + ' characters');
  answer({ texts });
} catch (error) {
  answer({ problem: String(error && error.message || error).slice(0, 500) });
}
`;

/**
 * Renders conversations in a thread of its own, with little memory, no access to ours and a time limit.
 * @param variables names of special tokens and the like
 * @param where for messages
 */
export function renderChat(
  template: string,
  conversations: readonly { messages: Message[]; add_generation_prompt: boolean }[],
  variables: Record<string, string | boolean>,
  where: string,
  limitMs = LIMIT_MS,
): string[] {
  const refuse = (problem: string): UserError =>
    new UserError('bad-chat-template', `the chat template ${problem}`, {
      where,
      hint: 'Fetch the model folder again, or give tokenizer_config.json a kvd_prompt: {question, answer} instead.',
    });
  if (template.length > MAX_TEMPLATE) throw refuse(`is longer than ${MAX_TEMPLATE} characters`);
  const { port1, port2 } = new MessageChannel();
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const jinja = require.resolve('@huggingface/jinja');
  const worker = new Worker(PROGRAM, {
    eval: true,
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: LIMITS,
    workerData: { jinja, template, variables, conversations, limit: MAX_TEXT, signal, port: port2 },
    transferList: [port2],
  });
  // What goes wrong in the thread shows in that it does not answer.
  worker.on('error', () => undefined);
  worker.unref();
  const outcome = Atomics.wait(signal, 0, 0, limitMs);
  const reply = receiveMessageOnPort(port1)?.message as { texts?: string[]; problem?: string } | undefined;
  port1.close();
  void worker.terminate();
  if (reply?.texts !== undefined) return reply.texts;
  if (reply?.problem !== undefined) throw refuse(`cannot be used: ${reply.problem}`);
  throw refuse(outcome === 'timed-out' ? 'takes too long or too much memory' : 'cannot be used');
}
