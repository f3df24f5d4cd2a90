/** What an experiment may say, assembled from the registries: an option is typed once, where it is used. */
import { z } from 'zod';
import { named } from '../base/named.js';
import { stages } from '../data/nano/curriculum.js';
import { datasets } from '../data/index.js';
import { methods } from '../methods/index.js';
import { tasks } from '../tasks/index.js';
import { objectives } from '../training/objectives/index.js';

const share = z.number().gt(0).max(1);
const oneOrMany = (item: z.ZodNumber): z.ZodUnion<readonly [z.ZodNumber, z.ZodArray<z.ZodNumber>]> =>
  z.union([item, z.array(item).min(1)]);
const steps = z.int().min(1);
const seed = z.int().min(0).default(1).describe('seed of every random choice');

const foldTokens = z.int().min(2).optional();

const adamw = {
  adam_beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW's β1"),
  adam_beta2: z.number().min(0).lt(1).default(0.999).describe("AdamW's β2"),
  adam_epsilon: z.number().positive().default(1e-8).describe("AdamW's ε"),
  weight_decay: z.number().min(0).default(0).describe('decoupled weight decay'),
  max_grad_norm: z.number().positive().default(1).describe('gradients are clipped to this joint 2-norm'),
};

const training = z.strictObject({
  objective: z
    .enum(objectives.names())
    .optional()
    .describe("what is minimised: kl (unless given) or ae_lm, Table 5's AE + LM"),
  autoencoding_weight: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("ae_lm: share of the autoencoding loss, the rest is the answers'; 0.5 unless given"),
  autoencoding_tokens: steps
    .optional()
    .describe('ae_lm: most tokens of a context, or of a fold, that are reconstructed; 256 unless given'),
  init_adapter: z
    .string()
    .optional()
    .describe(
      'folder of an adapter to go on from, of the same method, model and options, its scorer_bias, score_spread and decay apart',
    ),
  kl_forward_weight: z.number().min(0).max(1).default(0.6).describe('λ: weight of KL(teacher‖student)'),
  learning_rate: z.number().positive().default(5e-5).describe('peak learning rate'),
  lr_scheduler: z.enum(['constant', 'linear', 'cosine']).default('linear').describe('decay after warm-up'),
  warmup_steps: z.int().min(0).default(50).describe('steps of linear warm-up'),
  min_lr_ratio: z.number().min(0).max(1).default(0.05).describe('share of the learning rate left at the end'),
  ...adamw,
  max_steps: steps.describe('optimiser steps'),
  micro_batch_size: steps.default(32).describe('examples in one forward pass'),
  gradient_accumulation_steps: steps.default(1).describe('forward passes in one optimiser step'),
  gradient_checkpointing: z
    .boolean()
    .optional()
    .describe(
      'compute layers again in the backward pass rather than keep their activations: less memory, more time',
    ),
  retention_min: share.default(0.001).describe('smallest retention ratio drawn'),
  retention_max: share.default(0.8).describe('largest retention ratio drawn'),
  retention_distribution: z
    .enum(['uniform', 'log_uniform'])
    .default('uniform')
    .describe('how ratios are drawn'),
  retention_warmup_steps: z
    .int()
    .min(0)
    .default(0)
    .describe('steps in which the ratios drawn fall from 1 to the range'),
  max_context_tokens: steps.default(1536).describe('longer contexts are left out'),
  min_context_tokens: steps.optional().describe('shorter contexts are left out'),
  fold_tokens: foldTokens.describe(
    'longer contexts are encoded in folds of this many tokens; the paper takes 1536',
  ),
  fold_warmup_steps: z
    .int()
    .min(0)
    .optional()
    .describe('steps in which folds are of fold_warmup_tokens instead'),
  fold_warmup_tokens: foldTokens.describe('length of folds in the first fold_warmup_steps steps'),
  max_continuation_tokens: steps.default(128).describe('questions and answers of one example at most'),
  eval_steps: steps.default(300).describe('steps between two validations'),
  eval_task: z
    .enum(tasks.names())
    .optional()
    .describe("task of the validation; the evaluation's, or nano-qa, unless given"),
  eval_task_options: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("options of the validation's task"),
  eval_limit: steps.default(200).describe('validation questions'),
  eval_retention: share.default(0.2).describe('retention ratio of the validation'),
  save_steps: steps.default(100).describe('steps between two checkpoints'),
  output_dir: z.string().default('runs').describe('folder under which checkpoints and the adapter are kept'),
});

const evaluation = z
  .strictObject({
    task: z.enum(tasks.names()).describe('what is asked'),
    task_options: z.record(z.string(), z.unknown()).default({}).describe("the task's own options"),
    methods: z.array(named(methods)).min(1).describe('methods to compare, by name or with options'),
    retention: oneOrMany(share).optional().describe('share of rows kept'),
    compression_ratio: oneOrMany(z.number().min(0).lt(1))
      .optional()
      .describe('share of rows removed (kvpress)'),
    compression_factor: oneOrMany(z.number().min(1)).optional().describe('10 keeps a tenth'),
    budget_tokens: oneOrMany(z.int().min(1)).optional().describe('rows kept, whatever the length'),
    split: z.string().default('test').describe('split of the task'),
    limit: steps.optional().describe('most samples'),
    fold_tokens: foldTokens.describe(
      'longer contexts are compressed in folds of this many tokens; the paper takes 1536',
    ),
    batch_size: steps.default(32).describe('samples at once'),
    intrinsic: z
      .boolean()
      .default(true)
      .describe('also measure KL to the uncompressed model, likelihood and agreement; false saves a pass'),
    max_new_tokens: steps.optional().describe("longest answer; the task's own unless given"),
  })
  .superRefine((value, context) => {
    const keys = ['retention', 'compression_ratio', 'compression_factor', 'budget_tokens'] as const;
    const given = keys.filter((key) => value[key] !== undefined);
    if (given.length !== 1) {
      const found = given.length === 0 ? 'none is' : `${given.join(' and ')} are`;
      context.addIssue({
        code: 'custom',
        message: `exactly one of ${keys.join(', ')} is wanted; ${found} given`,
      });
    }
  });

export const experimentSchema = z.strictObject({
  kind: z.literal('experiment').default('experiment').describe('what this file is'),
  name: z
    .string()
    .regex(/^[\w.-]+$/, 'letters, digits, dot, dash and underscore only')
    .describe('name of the experiment'),
  description: z.string().optional().describe('what it is for'),
  seed,
  model: z
    .strictObject({
      name_or_path: z.string().min(1).describe('a folder in Hugging Face format, or a shipped model'),
    })
    .describe('the frozen model'),
  method: named(methods, 'kvd').prefault({ name: 'kvd' }).describe('the method that is trained'),
  training: training.optional().describe('how it is trained'),
  data: named(datasets, 'nano').prefault({ name: 'nano' }).describe('what it is trained on'),
  evaluation: evaluation.optional().describe('what is measured'),
});
export type Experiment = z.output<typeof experimentSchema>;

export const pretrainSchema = z.strictObject({
  kind: z.literal('pretrain').describe('what this file is'),
  name: z
    .string()
    .regex(/^[\w.-]+$/)
    .describe('name of the experiment'),
  description: z.string().optional(),
  seed,
  model: z.strictObject({
    config: z
      .record(z.string(), z.unknown())
      .describe("config.json of the model; the vocabulary is the tokenizer's"),
    init_from: z
      .string()
      .optional()
      .describe('a model of the same shape to start from; tokens that it does not know start fresh'),
    output: z.string().describe('folder of the finished model'),
    dtype: z.enum(['F32', 'BF16']).default('BF16').describe('type of the stored weights'),
  }),
  training: z.strictObject({
    learning_rate: z.number().positive(),
    warmup_steps: z.int().min(0),
    ...adamw,
    micro_batch_size: steps,
    max_steps: steps,
    decay_steps: steps.describe('steps of linear decay once the last stage is learned'),
    save_steps: steps,
    eval_steps: steps,
  }),
  curriculum: z
    .array(
      z.strictObject({
        name: z.enum(Object.keys(stages)).describe('stage of the nano curriculum'),
        until_accuracy: share.describe('go on once this share of fresh answers is right'),
      }),
    )
    .min(1),
});
export type PretrainExperiment = z.output<typeof pretrainSchema>;
