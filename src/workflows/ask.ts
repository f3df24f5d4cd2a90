/** `kvd ask`: questions to a compressed context. */
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { readText } from '../base/files.js';
import { answers, wholeCache } from '../contexts/ask.js';
import {
  contextSize,
  disposeContext,
  type CompressedContext,
  type ContextSize,
} from '../contexts/context.js';
import { partsOf, type DocumentInput } from '../contexts/documents.js';
import { contextTokens } from '../contexts/explain.js';
import { loadContext, readContextInfo } from '../contexts/file.js';
import { disposeCache, type KvCache } from '../models/cache.js';
import { questionIds } from '../models/prompt.js';
import { printableLines } from '../reports/table.js';
import { readDocument } from './compress-plan.js';
import { renderExplanation } from './explain.js';
import { loadModel, type LoadedModel } from './session.js';

export interface AskOptions {
  context: string;
  questions: readonly string[];
  /** A file of questions, one a line. */
  questionsFile?: string | undefined;
  model?: string | undefined;
  /** Files that the context was made of, where it does not hold its text. */
  documents?: readonly string[] | undefined;
  maxNewTokens: number;
  /** Whether the uncompressed model answers, too. */
  compare: boolean;
  /** Whether to show what was kept: in the terminal, or as a page at this path. */
  explain: boolean | string;
  layer?: number | undefined;
  head?: number | undefined;
  colour: boolean;
  /** Takes the text as it comes; nothing where answers are only collected. */
  write: (text: string) => void;
}

export interface AskedAnswer {
  answer: string;
  tokens: number;
  seconds: number;
  finish: 'stop' | 'length';
}

export interface Asked {
  context: ContextSize & { path: string };
  answers: (AskedAnswer & { question: string; uncompressed?: AskedAnswer })[];
}

async function answer(
  model: LoadedModel,
  cache: KvCache,
  question: string,
  { maxNewTokens, write }: AskOptions,
): Promise<AskedAnswer> {
  const started = performance.now();
  const result: AskedAnswer = { answer: '', tokens: 0, seconds: 0, finish: 'length' };
  const prompt = questionIds(model.tokenizer, question);
  for await (const { text, tokens, finish } of answers(model, cache, [prompt], { maxNewTokens })) {
    result.answer += text;
    result.tokens = tokens;
    if (finish !== undefined) result.finish = finish;
    write(printableLines(text));
  }
  write('\n');
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

function readQuestions(file: string): string[] {
  return readText(file)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** Lines that are typed, or that come from another program. */
async function* typedQuestions(write: (text: string) => void): AsyncGenerator<string> {
  const terminal = process.stdin.isTTY;
  const lines = createInterface({ input: process.stdin, ...(terminal && { output: process.stderr }) });
  lines.setPrompt('? ');
  if (terminal) {
    write('Ask a question a line; end with Ctrl-D.\n');
    lines.prompt();
  }
  for await (const line of lines) {
    if (line.trim() !== '') yield line.trim();
    if (terminal) lines.prompt();
  }
}

/** Token ids that the context was made of. */
function tokensOf(context: CompressedContext, model: LoadedModel, options: AskOptions): ArrayLike<number> {
  if (options.documents === undefined || options.documents.length === 0)
    return contextTokens(context, undefined);
  const documents = options.documents.map((path): DocumentInput => ({ text: readDocument(path) }));
  return contextTokens(
    context,
    partsOf(model.tokenizer, documents, 1, false).flatMap(({ ids }) => ids),
  );
}

/** Answers questions as they are given; everything is written as it comes, and returned at the end. */
export async function askContext(options: AskOptions): Promise<Asked> {
  const { write } = options;
  const info = readContextInfo(options.context);
  const model = await loadModel(options.model ?? info.model.name);
  let whole: KvCache | undefined;
  try {
    const context = loadContext(options.context, model);
    try {
      const size = contextSize(context);
      const value: Asked = { context: { path: options.context, ...size }, answers: [] };
      const ids =
        options.explain !== false || options.compare ? tokensOf(context, model, options) : undefined;
      if (ids !== undefined && options.explain !== false) {
        const page = options.explain === true ? undefined : options.explain;
        const title = basename(options.context);
        write(`${renderExplanation(title, context, ids, model.tokenizer, { ...options, page })}\n`);
      }
      if (ids !== undefined && options.compare) whole = wholeCache(model, ids);
      const given = [
        ...options.questions,
        ...(options.questionsFile === undefined ? [] : readQuestions(options.questionsFile)),
      ];
      const several = given.length > 1;
      const label = (name: string, rows: number, bytes: number): void => {
        if (whole !== undefined) {
          write(`${name.padEnd(12)} ${Math.round(rows)} rows, ${(bytes / 1e6).toFixed(2)} MB: `);
        }
      };
      const typed = given.length === 0 && options.explain === false;
      for await (const question of typed ? typedQuestions(write) : given) {
        if (several) write(`? ${printableLines(question)}\n`);
        label('compressed', size.rows, size.bytes);
        const found = await answer(model, context.cache, question, options);
        label('uncompressed', size.tokens, size.uncompressedBytes);
        const uncompressed = whole && (await answer(model, whole, question, options));
        value.answers.push({ question, ...found, ...(uncompressed && { uncompressed }) });
      }
      return value;
    } finally {
      disposeContext(context);
    }
  } finally {
    if (whole !== undefined) disposeCache(whole);
    model.dispose();
  }
}
