/** The training loop: an adapter learned so that the student speaks as the teacher does. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import { Walk } from '../data/order.js';
import type { PassageSource } from '../data/passage.js';
import { solo, type Group } from '../engine/group.js';
import { Random } from '../engine/random.js';
import { keptRows } from '../base/rounding.js';
import type { Decoder } from '../models/decoder.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { Adapter, Trainable } from '../methods/trainable.js';
import { AdamW } from './adamw.js';
import { makeExample, type Example } from './examples.js';
import { followNorm, type NormTrend } from './finite.js';
import { sampleRetention, type RetentionRange } from './retention-sampler.js';
import { loadState, saveState } from './state.js';
import { openCourse, takeStep, type MicroBatch, type StepOptions, type StepResult } from './step.js';

/** Lengths in tokens, the rest in steps and examples; `kvd config-schema` describes each. */
export interface DistillOptions extends StepOptions, RetentionRange {
  micro_batch_size: number;
  gradient_accumulation_steps: number;
  eval_steps: number;
  save_steps: number;
  max_context_tokens: number;
  min_context_tokens?: number | undefined;
  max_continuation_tokens: number;
}

export interface DistillReport extends StepResult {
  step: number;
  /** How many times its running mean the norm is, where it stands out. */
  gradientNormSpike?: number | undefined;
  /** Context and continuation tokens a second. */
  tokensPerSecond: number;
}

/** What the loop calls out for; all optional work of a workflow. */
export interface DistillHooks {
  report(report: DistillReport): void;
  /**
   * Quality of the adapter as it stands (higher is better), measured every `eval_steps` and at the end; undefined where
   * it was stopped, and is to be measured when the training goes on.
   */
  validate(step: number): Promise<number | undefined>;
  /** Called when `validate` gave a value as good as the best so far, or better. */
  best(step: number, quality: number): void;
  /** Asked before each step; true saves the state and returns. */
  stop(): boolean;
}

interface Progress {
  step: number;
  /** Passages drawn so far. */
  cursor: number;
  bestQuality: number | null;
  /** Whether the adapter as it stands has yet to be validated. */
  validationDue: boolean;
  norms: NormTrend;
}

/** Passages in the order of training: as they come where they never end, else reshuffled each epoch. */
class ExampleStream {
  private readonly walk: Walk;

  constructor(
    private readonly source: PassageSource,
    private readonly tokenizer: Tokenizer,
    private readonly options: DistillOptions,
    public cursor: number,
    private readonly group: Group,
  ) {
    this.walk = new Walk(source, (epoch) => new Random(`epoch/${options.seed}/${epoch}`));
  }

  /** The micro-batches of one step; of each, every rank of a group gets its part. */
  batches(step: number): MicroBatch[] {
    const { options } = this;
    const random = new Random(`retention/${options.seed}/${step}`);
    const drawn = Array.from({ length: options.gradient_accumulation_steps }, () => {
      const examples = Array.from({ length: options.micro_batch_size }, () => this.next());
      const kept = examples.map(({ context }) =>
        keptRows(sampleRetention(options, step + 1, random), context.length),
      );
      return { examples, kept };
    });
    const total = drawn
      .flatMap(({ examples }) => examples)
      .reduce((sum, { targets }) => sum + targets.length, 0);
    const { rank, size } = this.group;
    return drawn.map(({ examples, kept }) => {
      const own = examples.filter((_example, i) => i % size === rank);
      const targets = own.reduce((sum, example) => sum + example.targets.length, 0);
      return { examples: own, kept: kept.filter((_rows, i) => i % size === rank), share: targets / total };
    });
  }

  private next(): Example {
    for (let tried = 0; tried < 10_000; tried++) {
      const passage = this.source.get(this.walk.at(this.cursor++));
      const example = makeExample(passage, this.tokenizer, {
        minContextTokens: this.options.min_context_tokens ?? 1,
        contextTokens: this.options.max_context_tokens,
        continuationTokens: this.options.max_continuation_tokens,
      });
      if (example !== undefined) return example;
    }
    throw new UserError(
      'no-examples',
      '10,000 passages in a row have no answer or no context of the wanted length',
      {
        hint: 'See `kvd data stats`, and training.max_context_tokens, min_context_tokens, max_continuation_tokens.',
      },
    );
  }
}

/**
 * Distils `adapter` (made of variables) in place; resumes from `statePath` where that exists, with the
 * same result as if it had never been interrupted.
 * @param group the processes that share each micro-batch; all begin from the same state, the first alone writes
 */
export async function distill<A extends Adapter>(
  model: Decoder,
  trainable: Trainable<A>,
  adapter: A,
  tokenizer: Tokenizer,
  source: PassageSource,
  options: DistillOptions,
  statePath: string,
  hooks: DistillHooks,
  group: Group = solo,
): Promise<{ step: number; finished: boolean }> {
  if (options.micro_batch_size < group.size) {
    const what = `micro_batch_size ${options.micro_batch_size} is less than ${group.size} ranks`;
    throw new UserError('small-batch', what, {
      hint: 'Start fewer ranks, or raise training.micro_batch_size.',
    });
  }
  const leads = group.rank === 0;
  const course = openCourse(model, trainable, adapter, options);
  const { trained, parameters } = course;
  const optimiser = new AdamW(trained, options);
  const progress: Progress = {
    step: 0,
    cursor: 0,
    bestQuality: null,
    validationDue: false,
    norms: { steps: 0, mean: 0 },
    ...(loadState(statePath, trained, optimiser) as Progress | undefined),
  };
  const stream = new ExampleStream(source, tokenizer, options, progress.cursor, group);
  const save = (): void => {
    if (leads) saveState(statePath, trained, optimiser, { ...progress, cursor: stream.cursor });
  };
  /** Whether any rank was asked to stop; after the last step the first rank alone may still validate. */
  const stopping = (): boolean => {
    const flag = Float32Array.of(hooks.stop() ? 1 : 0);
    if (progress.step < options.max_steps) group.sum(flag);
    return flag[0]! > 0;
  };
  const validate = async (): Promise<void> => {
    const quality = await hooks.validate(progress.step);
    progress.validationDue = quality === undefined;
    if (quality === undefined || quality < (progress.bestQuality ?? -Infinity)) return;
    progress.bestQuality = quality;
    hooks.best(progress.step, quality);
  };

  try {
    if (progress.validationDue && leads) {
      await validate();
      save();
    }
    if (!leads) progress.validationDue = false;
    while (progress.step < options.max_steps || progress.validationDue) {
      if (stopping()) {
        save();
        return { step: progress.step, finished: false };
      }
      const started = performance.now();
      const { cursor } = stream;
      const batches = stream.batches(progress.step);
      const result = takeStep(course, optimiser, batches, progress.step + 1, statePath, group);
      if (result === undefined) {
        stream.cursor = cursor;
        save();
        return { step: progress.step, finished: false };
      }
      progress.step += 1;
      const examples = batches.flatMap((batch) => batch.examples);
      const tokens = Float32Array.of(
        examples.reduce((sum, e) => sum + e.context.length + e.continuation.length, 0),
      );
      group.sum(tokens);
      hooks.report({
        step: progress.step,
        ...result,
        gradientNormSpike: followNorm(progress.norms, result.gradientNorm),
        tokensPerSecond: (1000 * tokens[0]!) / (performance.now() - started),
      });

      if (progress.step % options.eval_steps === 0 || progress.step === options.max_steps) await validate();
      if (progress.step % options.save_steps === 0 || progress.step === options.max_steps) save();
      await new Promise(setImmediate);
    }
    return { step: progress.step, finished: true };
  } finally {
    optimiser.dispose();
    tf.dispose(Object.values(parameters));
  }
}
