/** Chat templates: Jinja from outside, run where it can neither take long nor take much. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { UserError } from '../base/errors.js';

const require = createRequire(import.meta.url);

export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

const MAX_TEMPLATE = 2 ** 20;
const MAX_TEXT = 2 ** 20;
const MAX_MEGABYTES = 64;
/** For the template alone. */
const LIMIT_MS = 2_000;
/** For a process to begin and end beside that, on a busy machine. */
const PROCESS_MS = 20_000;

/** Renders each conversation; the names are those that Transformers gives its templates. */
const PROGRAM = `
const { readFileSync } = require('node:fs');
const { runInThisContext } = require('node:vm');
const { jinja, template, variables, conversations, limitMs, limit } = JSON.parse(readFileSync(0, 'utf8'));
const { Template } = require(jinja);
globalThis.render = () => {
  const parsed = new Template(template);
  return conversations.map((conversation) => parsed.render({ ...variables, ...conversation }));
};
let answer;
try {
  const texts = runInThisContext('render()', { timeout: limitMs });
  if (texts.some((text) => text.length > limit)) throw new Error('gives more than ' + limit + ' characters');
  answer = { texts };
} catch (error) {
  if (error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') answer = { late: true };
  else answer = { problem: String(error && error.message || error).slice(0, 500) };
}
process.stdout.write(JSON.stringify(answer));
`;

interface Answer {
  texts?: string[];
  problem?: string;
  late?: boolean;
}

/**
 * Renders conversations in a process of its own, with little memory, none of our environment and a time limit.
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
  const jinja = require.resolve('@huggingface/jinja');
  const { status, stdout, signal } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${MAX_MEGABYTES}`, '--eval', PROGRAM],
    {
      input: JSON.stringify({ jinja, template, variables, conversations, limitMs, limit: MAX_TEXT }),
      encoding: 'utf8',
      env: {},
      timeout: PROCESS_MS,
      killSignal: 'SIGKILL',
      // In JSON a character takes at most six bytes.
      maxBuffer: 6 * MAX_TEXT * conversations.length + 1000,
    },
  );
  const reply = status === 0 ? (JSON.parse(stdout) as Answer) : {};
  if (reply.texts !== undefined) return reply.texts;
  if (reply.problem !== undefined) throw refuse(`cannot be used: ${reply.problem}`);
  throw refuse(
    reply.late === true || signal !== null ? 'takes too long or too much memory' : 'cannot be used',
  );
}
