/** The training loop: an adapter learned so that the student speaks as the teacher does. */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import { Walk } from '../data/order.js';
import type { PassageSource } from '../data/passage.js';
import { Random } from '../engine/random.js';
import { keptRows } from '../base/rounding.js';
import type { Decoder } from '../models/decoder.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { Adapter, Trainable } from '../methods/trainable.js';
import { AdamW, clipByGlobalNorm, type AdamWOptions } from './adamw.js';
import { makeExample, type Example } from './examples.js';
import { assertFinite, followNorm, type NormTrend } from './finite.js';
import { objectives } from './objectives/index.js';
import type { Objective, ObjectiveOptions } from './objectives/objective.js';
import { disposePass, studentPass, teacherPass } from './passes.js';
import { sampleRetention, type RetentionRange } from './retention-sampler.js';
import { learningRateAt, type ScheduleOptions } from './schedule.js';
import { loadState, saveState } from './state.js';

export interface DistillOptions extends AdamWOptions, ScheduleOptions, RetentionRange, ObjectiveOptions {
  seed: number;
  /** Name of the objective; kl where not given. */
  objective?: string | undefined;
  max_grad_norm: number;
  micro_batch_size: number;
  gradient_accumulation_steps: number;
  /** Layers are computed a second time in the backward pass, which keeps less; not where not given. */
  gradient_checkpointing?: boolean | undefined;
  eval_steps: number;
  save_steps: number;
  max_context_tokens: number;
  min_context_tokens?: number | undefined;
  /** Longer contexts are encoded in folds of this many tokens. */
  fold_tokens?: number | undefined;
  max_continuation_tokens: number;
}

export interface DistillReport {
  step: number;
  /** Of the objective, mean over the step's target tokens, natural log. */
  loss: number;
  gradientNorm: number;
  /** How many times its running mean the norm is, where it stands out. */
  gradientNormSpike?: number | undefined;
  learningRate: number;
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
  ) {
    this.walk = new Walk(source, (epoch) => new Random(`epoch/${options.seed}/${epoch}`));
  }

  /** The micro-batches of one step. */
  batches(step: number): MicroBatch[] {
    const { options } = this;
    const random = new Random(`retention/${options.seed}/${step}`);
    const drawn = Array.from({ length: options.gradient_accumulation_steps }, () => {
      const examples = Array.from({ length: options.micro_batch_size }, () => this.next());
      const kept = examples.map(({ context }) =>
        keptRows(sampleRetention(options, step + 1, random), context.length),
      );
      return { examples, kept, targets: examples.reduce((sum, { targets }) => sum + targets.length, 0) };
    });
    const total = drawn.reduce((sum, { targets }) => sum + targets, 0);
    return drawn.map(({ targets, ...batch }) => ({ ...batch, share: targets / total }));
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

/** What stays the same from step to step. */
interface Course<A extends Adapter> {
  model: Decoder;
  trainable: Trainable<A>;
  adapter: A;
  objective: Objective;
  /** The objective's own. */
  parameters: Record<string, tf.Variable>;
  /** All that is trained. */
  variables: tf.Variable[];
  options: DistillOptions;
}

/** A part of a step's batch, and the share of the step's targets that are its own. */
interface MicroBatch {
  examples: readonly Example[];
  kept: readonly number[];
  share: number;
}

/** Share of the loss and of its gradients that a micro-batch has. */
function microStep<A extends Adapter>(
  course: Course<A>,
  { examples, kept, share }: MicroBatch,
  random: Random,
): { loss: number; grads: tf.NamedTensorMap } {
  const { model, trainable, adapter, objective, parameters, variables, options } = course;
  const teacher = teacherPass(model, examples, kept, trainable.frozenLayers(adapter), {
    foldTokens: options.fold_tokens,
    teacher: objective.teacher,
  });
  const { value, grads } = tf.tidy(() =>
    tf.variableGrads(() => {
      const student = studentPass(model, trainable, adapter, teacher);
      const loss = objective.loss({ model, examples, teacher, student, parameters, options, random });
      return share === 1 ? loss : tf.mul<tf.Scalar>(loss, share);
    }, variables),
  );
  const loss = value.dataSync()[0]!;
  tf.dispose(value);
  disposePass(teacher);
  return { loss, grads };
}

/**
 * Distils `adapter` (made of variables) in place; resumes from `statePath` where that exists, with the
 * same result as if it had never been interrupted.
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
): Promise<{ step: number; finished: boolean }> {
  const objective = objectives.get(options.objective ?? 'kl');
  const parameters = objective.parameters(model);
  const trained = { ...trainable.trained(adapter), ...parameters };
  const variables = Object.values(trained);
  model.checkpointLayers = options.gradient_checkpointing ?? false;
  const course = { model, trainable, adapter, objective, parameters, variables, options };
  const optimiser = new AdamW(trained, options);
  const progress: Progress = {
    step: 0,
    cursor: 0,
    bestQuality: null,
    validationDue: false,
    norms: { steps: 0, mean: 0 },
    ...(loadState(statePath, trained, optimiser) as Progress | undefined),
  };
  const stream = new ExampleStream(source, tokenizer, options, progress.cursor);
  const save = (): void => saveState(statePath, trained, optimiser, { ...progress, cursor: stream.cursor });
  const validate = async (): Promise<void> => {
    const quality = await hooks.validate(progress.step);
    progress.validationDue = quality === undefined;
    if (quality === undefined || quality < (progress.bestQuality ?? -Infinity)) return;
    progress.bestQuality = quality;
    hooks.best(progress.step, quality);
  };

  try {
    if (progress.validationDue) {
      await validate();
      save();
    }
    while (progress.step < options.max_steps || progress.validationDue) {
      if (hooks.stop()) {
        save();
        return { step: progress.step, finished: false };
      }
      const started = performance.now();
      const sums: Record<string, tf.Tensor> = {};
      let loss = 0;
      let tokens = 0;
      for (const [micro, batch] of stream.batches(progress.step).entries()) {
        const draws = new Random(`objective/${options.seed}/${progress.step}/${micro}`);
        const result = microStep(course, batch, draws);
        loss += result.loss;
        for (const [name, variable] of Object.entries(trained)) {
          const gradient = result.grads[variable.name]!;
          const before = sums[name];
          sums[name] = before === undefined ? gradient : tf.add(before, gradient);
          if (before !== undefined) tf.dispose([before, gradient]);
        }
        tokens += batch.examples.reduce((sum, e) => sum + e.context.length + e.continuation.length, 0);
      }
      const { gradients, norm } = clipByGlobalNorm(sums, options.max_grad_norm);
      progress.step += 1;
      assertFinite({ step: progress.step, loss, norm }, model, trained, sums, statePath);
      const learningRate = learningRateAt(progress.step, options);
      optimiser.update(gradients, learningRate);
      tf.dispose([...new Set([...Object.values(sums), ...Object.values(gradients)])]);
      const seconds = (performance.now() - started) / 1000;
      hooks.report({
        step: progress.step,
        loss,
        gradientNorm: norm,
        gradientNormSpike: followNorm(progress.norms, norm),
        learningRate,
        tokensPerSecond: tokens / seconds,
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
