/** Chat completions as OpenAI's API has them: what is asked, and how the answer is told. */
import { z } from 'zod';
import { answerIds, questionIds } from '../models/prompt.js';
import type { Tokenizer } from '../models/tokenizer.js';
import { ApiError } from './errors.js';

const MOST_MESSAGES = 256;

const textPart = z.object({ type: z.literal('text', { error: 'only text is supported' }), text: z.string() });
const content = z
  .union([z.string(), z.array(textPart).min(1)])
  .transform((parts) => (typeof parts === 'string' ? parts : parts.map(({ text }) => text).join('')));

const off = (value: unknown): boolean =>
  value === undefined || value === null || value === false || value === 0;

/** Fields that would change the answer in ways that are not built: refused unless they say nothing. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  temperature: off,
  top_p: (value) => off(value) || value === 1,
  n: (value) => off(value) || value === 1,
  stop: off,
  tools: off,
  functions: off,
  logprobs: off,
  top_logprobs: off,
  logit_bias: off,
  presence_penalty: off,
  frequency_penalty: off,
  audio: off,
  response_format: (value) => off(value) || (value as { type?: unknown }).type === 'text',
};

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z
    .array(z.looseObject({ role: z.enum(['system', 'developer', 'user', 'assistant']), content }))
    .min(1)
    .max(MOST_MESSAGES),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  metadata: z.looseObject({ context: z.string().optional() }).nullish(),
});

export interface ChatRequest {
  /** As the client named it. */
  model: string;
  /** Id of the context: `metadata.context`, else `model`. */
  context: string;
  prompt: number[];
  maxNewTokens: number;
  stream: boolean;
  includeUsage: boolean;
}

export interface ChatLimits {
  /** Most tokens of all messages. */
  promptTokens: number;
  /** Most tokens of an answer, and how many where a request says nothing. */
  answerTokens: number;
}

type Message = { role: 'system' | 'developer' | 'user' | 'assistant'; content: string };

/** Messages behind a context: instructions as they are, questions and answers by the model's own template. */
function promptOf(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  if (messages.at(-1)!.role !== 'user') {
    throw new ApiError(400, 'invalid_value', 'The last message must be the question of a user.', 'messages');
  }
  return messages.flatMap(({ role, content }) => {
    if (role === 'user') return questionIds(tokenizer, content);
    if (role === 'assistant') return answerIds(tokenizer, content);
    return tokenizer.encode(content);
  });
}

/** A body as `schema` wants it; the first problem is an ApiError. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue!.path.join('.');
  throw new ApiError(
    400,
    'invalid_value',
    `${param === '' ? 'body' : param}: ${issue!.message}`,
    param || null,
  );
}

/** Checks a request for a chat completion. */
export function parseChat(body: unknown, tokenizer: Tokenizer, limits: ChatLimits): ChatRequest {
  const request = parseBody(requestSchema, body);
  for (const [name, saysNothing] of Object.entries(UNSUPPORTED)) {
    if (saysNothing(request[name])) continue;
    throw new ApiError(
      400,
      'unsupported_value',
      `${name} is not supported; decoding is greedy, of one answer.`,
      name,
    );
  }
  const prompt = promptOf(tokenizer, request.messages);
  if (prompt.length > limits.promptTokens) {
    const problem = `The messages are ${prompt.length} tokens, more than ${limits.promptTokens}. Long texts belong in a context.`;
    throw new ApiError(400, 'context_length_exceeded', problem, 'messages');
  }
  const wanted = request.max_completion_tokens ?? request.max_tokens ?? limits.answerTokens;
  return {
    model: request.model,
    context: request.metadata?.context ?? request.model,
    prompt,
    maxNewTokens: Math.min(wanted, limits.answerTokens),
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
  };
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** Tokens read and written; those of the context count as read from a cache. */
export function usageOf(contextTokens: number, promptTokens: number, completion: number): Usage {
  return {
    prompt_tokens: contextTokens + promptTokens,
    completion_tokens: completion,
    total_tokens: contextTokens + promptTokens + completion,
    prompt_tokens_details: { cached_tokens: contextTokens },
  };
}

/** What every part of one answer says of it. */
export interface AnswerHead {
  id: string;
  created: number;
  model: string;
}

/** A whole answer. */
export function completion(head: AnswerHead, text: string, finish: string, usage: Usage): object {
  const message = { role: 'assistant', content: text, refusal: null };
  return {
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage,
  };
}

/** A part of a streamed answer. */
export function chunk(head: AnswerHead, delta: object, finish: string | null = null): object {
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  };
}

/** The last part of a streamed answer whose client wants to know the usage. */
export function usageChunk(head: AnswerHead, usage: Usage): object {
  return { ...head, object: 'chat.completion.chunk', choices: [], usage };
}
