/** Autoencoding and language modelling: what DODO and ICAE are trained with, and an ablation of KV-Distill. */
import * as tf from '@tensorflow/tfjs-core';
import { makeBatch } from '../../models/batch.js';
import { selectSequences } from '../../models/cache.js';
import type { Decoder } from '../../models/decoder.js';
import { crossEntropyOf, shares } from '../losses.js';
import { studentNormed } from '../passes.js';
import { projectedLoss } from '../projected-loss.js';
import { defineObjective, type LossInputs } from './objective.js';

/** Asks for the context; a learned embedding, which starts as the mean of the model's. */
const PROMPT = 'objective.autoencoding_prompt';
const WEIGHT = 0.5;
const MOST_TOKENS = 256;

/** Mean cross-entropy of rows behind the final norm, [rows, hidden]. */
function meanCrossEntropy(model: Decoder, normed: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const share = shares(tf.ones([labels.shape[0]]));
  return projectedLoss(model, normed, (logits, piece) => crossEntropyOf(logits, piece(labels), piece(share)));
}

/**
 * Cross-entropy of one fold's tokens, given the prompt and the rows that were kept of that fold, from the fold's
 * start on. Each context gives one fold, drawn anew in every step.
 */
function autoencoding({ model, teacher, student, parameters, options, random }: LossInputs): tf.Scalar {
  const { contexts, parts } = teacher;
  let end = 0;
  const chosen = parts.map((count) => {
    end += count;
    return end - count + random.int(count);
  });
  const most = options.autoencoding_tokens ?? MOST_TOKENS;
  const wanted = chosen.map((fold) => {
    const first = fold * contexts.tokens;
    return Array.from(contexts.ids.subarray(first, first + Math.min(most, contexts.lengths[fold]!)));
  });
  const prompt = model.weights.embedding.shape[0];
  const past = selectSequences(student.folds.cache, chosen);
  const { bias } = student.folds;
  const spoken = makeBatch(
    wanted.map((tokens) => [prompt, ...tokens.slice(0, -1)]),
    { starts: past.nextPositions },
  );
  const { hidden } = model.forward(spoken, {
    past,
    pastBias: bias && tf.gather(bias, tf.tensor1d(chosen, 'int32')),
    extraEmbeddings: parameters[PROMPT] as unknown as tf.Tensor2D,
  });
  const rows = wanted.flatMap((tokens, row) => tokens.map((_, t) => row * spoken.tokens + t));
  const normed = model.finalHidden(tf.gather(hidden, tf.tensor1d(rows, 'int32')));
  return meanCrossEntropy(model, normed, tf.tensor1d(wanted.flat(), 'int32'));
}

export const aeLm = defineObjective({
  name: 'ae_lm',
  summary: 'autoencoding of the context plus language modelling of the answers, by cross-entropy',
  reference: 'arXiv 2307.06945 section 2.2; KV-Distill, Table 5',
  teacher: false,
  parameters: (model) => ({
    [PROMPT]: tf.tidy(() =>
      tf.variable(tf.mul(tf.mean(model.weights.embedding, 0, true), model.plan.embeddingScale)),
    ),
  }),
  loss: (inputs) => {
    const { model, teacher, student, options } = inputs;
    const answers = meanCrossEntropy(model, studentNormed(model, student, teacher), teacher.labels);
    const weight = options.autoencoding_weight ?? WEIGHT;
    if (weight === 0) return answers;
    return tf.add(tf.mul(answers, 1 - weight), tf.mul(autoencoding(inputs), weight));
  },
});
