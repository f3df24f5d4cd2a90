/** `kvd compress`: documents to a compressed context in a file. */
import { statSync } from 'node:fs';
import { UserError } from '../base/errors.js';
import { loadAdapterFolder, shippedAdapter, type LoadedAdapter } from '../contexts/adapter.js';
import { compressorOf } from '../contexts/api.js';
import { compressDocuments, type Compressor } from '../contexts/compress.js';
import { contextSize, disposeContext, type ContextInfo, type ContextSize } from '../contexts/context.js';
import { loadContext, readContextInfo, saveContext } from '../contexts/file.js';
import { applySets } from '../experiment/overrides.js';
import { methods } from '../methods/index.js';
import { printable } from '../reports/table.js';
import { planOf, readPlan } from './compress-plan.js';
import { withProgress } from './progress.js';
import { loadModel, type LoadedModel } from './session.js';

/** Model that compresses where none is named. */
const MODEL = 'llama-long';
const METHOD = 'kvd';

export interface CompressOptions {
  documents: readonly string[];
  plan?: string | undefined;
  retention?: readonly string[] | undefined;
  span?: readonly string[] | undefined;
  model?: string | undefined;
  adapter?: string | undefined;
  method?: string | undefined;
  /** Options of the method, `key=value`. */
  set?: readonly string[] | undefined;
  'fold-tokens'?: number | undefined;
  question?: string | undefined;
  append?: string | undefined;
  output?: string | undefined;
  /** Whether the file holds the text, as token ids. */
  text: boolean;
  quiet: boolean;
}

export interface Compressed extends ContextSize {
  path: string;
  fileBytes: number;
  /** Of compressing alone. */
  seconds: number;
  model: string;
  segments: ContextInfo['segments'];
}

function outputOf({ output, append, documents, plan }: CompressOptions): string {
  if (output !== undefined) return output;
  if (append !== undefined) return append;
  const named = plan ?? documents[0];
  if (named !== undefined && named !== '-') return `${named}.kvd.safetensors`;
  throw new UserError('no-output', 'standard input has no name to call the context by', {
    hint: 'Name the file to write with -o.',
  });
}

/** The method, its options and its adapter: the one that is named, or the one that ships with the model. */
export function openCompressor(
  model: LoadedModel,
  options: Pick<CompressOptions, 'adapter' | 'method' | 'set' | 'fold-tokens' | 'question'>,
): { compressor: Compressor; adapter: LoadedAdapter | undefined } {
  const wanted = options.method === undefined ? undefined : methods.get(options.method);
  const folder =
    options.adapter ??
    (wanted === undefined || wanted.needs.training
      ? shippedAdapter(model.folder, wanted?.name ?? METHOD)
      : undefined);
  const adapter = folder === undefined ? undefined : loadAdapterFolder(folder, model.model.config);
  const compressor = compressorOf({
    method: wanted?.name ?? (adapter === undefined ? METHOD : undefined),
    methodOptions: applySets({}, new Map(), options.set ?? []),
    adapter,
    foldTokens: options['fold-tokens'],
    question: options.question,
  });
  return { compressor, adapter };
}

/** Compresses documents and writes the context. */
export async function compressToFile(options: CompressOptions): Promise<{ value: Compressed; text: string }> {
  if (options.plan !== undefined && options.documents.length > 0) {
    throw new UserError('bad-plan', 'a plan names its own documents', {
      where: '--plan',
      hint: 'Leave out either the plan or the documents.',
    });
  }
  const path = outputOf(options);
  const plan =
    options.plan === undefined
      ? planOf(options.documents, options.retention ?? [], options.span ?? [])
      : readPlan(options.plan);
  const appended = options.append === undefined ? undefined : readContextInfo(options.append);
  const model = await loadModel(options.model ?? appended?.model.name ?? MODEL);
  const after = options.append === undefined ? undefined : loadContext(options.append, model);
  const { compressor, adapter } = openCompressor(model, options);
  try {
    const started = performance.now();
    const { tokenIds, ...context } = await withProgress(
      `Compressing to ${path}`,
      100,
      options.quiet,
      (tick) =>
        compressDocuments(model, plan.documents, {
          ...compressor,
          retention: plan.retention,
          after,
          onPart: (done, total) => tick(Math.round((100 * done) / total), `part ${done + 1} of ${total}`),
        }),
    );
    context.cache.keys.at(-1)!.dataSync();
    const seconds = (performance.now() - started) / 1000;
    saveContext(path, options.text ? { ...context, tokenIds } : context);
    const value: Compressed = {
      path,
      ...contextSize(context),
      fileBytes: statSync(path).size,
      seconds,
      model: model.name,
      segments: context.info.segments,
    };
    disposeContext(context);
    return { value, text: render(value) };
  } finally {
    if (after !== undefined) disposeContext(after);
    adapter?.dispose();
    model.dispose();
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;

function render({ path, tokens, rows, bytes, uncompressedBytes, seconds, segments }: Compressed): string {
  const percent = ((100 * rows) / tokens).toFixed(1);
  const parts = segments.map(
    ({ from, to, kept, source, compression }) =>
      `  ${`${from}-${to}`.padEnd(13)} ${`${Math.round(kept)} of ${to - from}`.padStart(15)} rows  ` +
      `${printable(compression?.method ?? 'whole').padEnd(10)} ${printable(source ?? '')}`,
  );
  return [
    `${path}: ${Math.round(rows)} of ${tokens} rows (${percent} %), ${megabytes(bytes)} instead of ${megabytes(uncompressedBytes)}, in ${seconds.toFixed(2)} s`,
    ...(segments.length > 1 ? parts : []),
    `Next: kvd ask ${path} "a question"`,
  ].join('\n');
}
