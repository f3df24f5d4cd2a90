/** `kvd pretrain`: a nano base model from scratch, with its tokenizer, its test figures and a model card. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { take } from '../base/iterate.js';
import { nano } from '../data/nano/index.js';
import { vocabulary } from '../data/nano/words.js';
import { startEngine } from '../engine/index.js';
import { evaluate, type SampleResult } from '../evaluation/evaluate.js';
import { mean, standardErrorOfProportion } from '../evaluation/statistics.js';
import type { LoadedPretrain } from '../experiment/resolve.js';
import { methods } from '../methods/index.js';
import { architectures } from '../models/architectures/index.js';
import { saveDecoder } from '../models/checkpoint.js';
import { parseModelConfig } from '../models/config.js';
import { Decoder } from '../models/decoder.js';
import { loadTokenizer } from '../models/tokenizer.js';
import { buildWordTokenizer } from '../models/word-tokenizer.js';
import { tasks } from '../tasks/index.js';
import { initialWeights, startFrom } from '../training/initialise.js';
import { pretrain } from '../training/pretrain.js';
import type { Store } from '../store/store.js';
import { interrupted, watchInterruption } from './interruption.js';
import { withProgress } from './progress.js';
import { codeVersion, gitCommit, machine, recordFailure } from './run-record.js';
import { openSession } from './session.js';

/** Questions of the test split that a finished model is asked. */
const TEST_QUESTIONS = 1000;

export interface PretrainResult {
  runId: string;
  folder: string;
  parameters: number;
  steps: number;
  /** Exact match on held-out test questions, uncompressed. */
  exactMatch: number;
  stderr: number;
}

/** Exact match of the saved model on test questions, in all and by tag. */
async function testFigures(
  folder: string,
): Promise<Record<string, { value: number; stderr: number; n: number }>> {
  const session = await openSession(folder);
  const task = tasks.get('nano-qa');
  const results: SampleResult[] = [];
  const samples = take(task.samples({}, 'test'), TEST_QUESTIONS);
  const request = {
    ...session,
    task,
    method: methods.get('full'),
    methodOptions: {},
    keptRows: (length: number) => length,
    batchSize: 50,
    maxNewTokens: task.maxNewTokens,
  };
  for await (const result of evaluate(request, samples)) results.push(result);
  session.model.dispose();
  const figure = (chosen: SampleResult[]): { value: number; stderr: number; n: number } => {
    const value = mean(chosen.map((result) => result.metrics.exact_match ?? 0));
    return { value, stderr: standardErrorOfProportion(value, chosen.length), n: chosen.length };
  };
  const tags = [...new Set(results.flatMap((result) => result.tags))].sort();
  return {
    all: figure(results),
    ...Object.fromEntries(
      tags.map((tag) => [tag, figure(results.filter((result) => result.tags.includes(tag)))]),
    ),
  };
}

/** Trains, saves and tests the model that `loaded` describes; resumes from its last checkpoint. */
export async function pretrainModel(
  loaded: LoadedPretrain,
  store: Store,
  quiet: boolean,
): Promise<PretrainResult> {
  const { experiment } = loaded;
  const { training } = experiment;
  const engine = await startEngine();
  const folder = experiment.model.output;
  mkdirSync(folder, { recursive: true });
  const { tokenizer: tokenizerJson, config: tokenizerConfig, tokens } = buildWordTokenizer(vocabulary());
  writeFileAtomic(join(folder, 'tokenizer.json'), `${JSON.stringify(tokenizerJson)}\n`);
  writeFileAtomic(join(folder, 'tokenizer_config.json'), `${JSON.stringify(tokenizerConfig, null, 2)}\n`);
  const tokenizer = loadTokenizer(folder);
  const rawConfig = {
    ...experiment.model.config,
    vocab_size: Math.ceil(tokenizer.vocabSize / 64) * 64,
    bos_token_id: tokenizer.bosId,
    eos_token_id: tokenizer.eosId,
    pad_token_id: tokenizer.padId,
  };
  const config = parseModelConfig({ ...rawConfig, tie_word_embeddings: true }, loaded.file);
  const plan = architectures.get(config.architecture).plan(config);
  const { weights, parameters } = initialWeights(config, plan, experiment.seed);
  // Embeddings of unit scale make logits of a width's size; Gemma's own embedding scale already sees to it.
  const logitScale = plan.embeddingScale === 1 ? config.hiddenSize ** -0.5 : 1;
  const model = new Decoder(config, plan, weights, logitScale);
  if (experiment.model.init_from !== undefined) {
    const old = await openSession(experiment.model.init_from);
    startFrom(old.model, old.tokenizer, parameters, tokens);
    old.model.dispose();
  }
  const runId = store.createRun({
    kind: 'pretrain',
    name: experiment.name,
    config: experiment,
    configHash: loaded.hash,
    seed: experiment.seed,
    engine,
    machine: machine(),
    codeVersion: codeVersion(),
    gitCommit: gitCommit(),
  });
  const interruption = watchInterruption();
  try {
    const options = { ...training, seed: experiment.seed, curriculum: experiment.curriculum };
    const statePath = join('runs', `${experiment.name}-${loaded.hash.slice(0, 8)}`, 'state.safetensors');
    mkdirSync(join(statePath, '..'), { recursive: true });
    const last = await withProgress(`Pre-training ${experiment.name}`, training.max_steps, quiet, (tick) =>
      pretrain(
        model,
        parameters,
        tokenizer,
        options,
        statePath,
        (report) => {
          const accuracy = Number.isNaN(report.accuracy)
            ? ''
            : ` · answers ${(100 * report.accuracy).toFixed(1)} %`;
          tick(
            report.step,
            `stage ${report.stageName} · loss ${report.loss.toFixed(3)}${accuracy} · ${Math.round(report.tokensPerSecond)} tok/s`,
          );
          store.addMetrics(runId, report.step, { loss: report.loss, gradient_norm: report.gradientNorm });
          if (!Number.isNaN(report.accuracy))
            store.addMetrics(runId, report.step, { accuracy: report.accuracy });
        },
        () => interruption.requested(),
      ),
    );
    if (interruption.requested()) {
      store.setStatus(runId, 'interrupted');
      throw interrupted(`kvd pretrain ${loaded.file}`);
    }
    if (last.decayFrom === 0) {
      throw new UserError('not-learned', `stage ${last.stageName} was not learned in ${last.step} steps`, {
        where: loaded.file,
        hint: 'Raise training.max_steps, or see docs/lab-log.md for what helps.',
        exitCode: 1,
      });
    }
    saveDecoder(folder, model, rawConfig, experiment.model.dtype);
    const size = Object.values(parameters).reduce((sum, parameter) => sum + parameter.size, 0);
    model.dispose();
    const figures = await testFigures(folder);
    const record = {
      made_by: `kvd pretrain ${loaded.file}`,
      seed: experiment.seed,
      data: `${nano.name} version ${nano.version}`,
      parameters: size,
      steps: last.step,
      training_seconds: Math.round(last.seconds),
      machine: machine(),
      engine,
      code_version: codeVersion(),
      git_commit: gitCommit(),
      exact_match_test_uncompressed: figures,
    };
    writeFileAtomic(join(folder, 'kvd_pretraining.json'), `${JSON.stringify(record, null, 2)}\n`);
    store.setStatus(runId, 'finished');
    const all = figures.all!;
    return { runId, folder, parameters: size, steps: last.step, exactMatch: all.value, stderr: all.stderr };
  } catch (error) {
    recordFailure(store, runId, error);
    throw error;
  } finally {
    interruption.release();
  }
}
