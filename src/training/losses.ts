/** Losses over rows of logits, each with its gradient in one pass. */
import * as tf from '@tensorflow/tfjs-core';
import { fusedAvailable, fusedCrossEntropy, fusedMixedKl } from '../engine/fused.js';

/** A sum over rows of logits, and its gradient in them. (A type, so that tf.tidy takes it.) */
export type Sloped = {
  value: tf.Scalar;
  /** [rows, vocabulary] */
  slope: tf.Tensor2D;
};

/** Weights [rows] of a mean, as shares of 1. */
export function shares(weights: tf.Tensor1D): tf.Tensor1D {
  return tf.div(weights, tf.sum(weights));
}

/** A loss whose gradient is known with its value. */
function withSlope(logits: tf.Tensor2D, f: (logits: tf.Tensor2D) => Sloped): tf.Scalar {
  const loss = tf.customGrad((input, save) => {
    const { value, slope } = f(input as tf.Tensor2D);
    (save as tf.GradSaveFunc)([slope]);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0]!, dy) };
  });
  return loss(logits) as tf.Scalar;
}

/**
 * Cross entropy of rows, each counted by its share.
 * @param labels int32 [rows]
 * @param share [rows]
 */
export function crossEntropyOf(logits: tf.Tensor2D, labels: tf.Tensor1D, share: tf.Tensor1D): Sloped {
  if (fusedAvailable()) return tf.tidy(() => fusedCrossEntropy(logits, labels, share));
  return tf.tidy(() => {
    const logProbabilities = tf.logSoftmax(logits);
    const targets = tf.oneHot(labels, logits.shape[1]);
    return {
      value: tf.neg(tf.sum<tf.Scalar>(tf.mul(tf.sum(tf.mul(logProbabilities, targets), 1), share))),
      slope: tf.mul(tf.sub(tf.exp(logProbabilities), targets), tf.expandDims(share, 1)),
    };
  });
}

/**
 * Weighted mean cross entropy.
 * @param logits [rows, vocabulary]
 * @param labels int32 [rows]
 * @param weights [rows], not all zero
 * @returns scalar, natural log
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  return withSlope(logits, (x) => crossEntropyOf(x, labels, shares(weights)));
}

/** Forward KL(p‖q) and reverse KL(q‖p) of each row, exact over the vocabulary, natural log; p = teacher. */
export function klRows(
  teacherLogits: tf.Tensor2D,
  studentLogits: tf.Tensor2D,
): { forward: tf.Tensor1D; reverse: tf.Tensor1D } {
  return tf.tidy(() => {
    const logP = tf.logSoftmax(teacherLogits);
    const logQ = tf.logSoftmax(studentLogits);
    const gap = tf.sub(logP, logQ);
    return {
      forward: tf.sum(tf.mul(tf.exp(logP), gap), 1) as tf.Tensor1D,
      reverse: tf.neg(tf.sum(tf.mul(tf.exp(logQ), gap), 1)) as tf.Tensor1D,
    };
  });
}

/**
 * KV-Distill's objective (section 3.3) summed over rows, each counted by its share:
 * λ·KL(p‖q) + (1−λ)·KL(q‖p), p = teacher.
 * @param share [rows]
 * @param forwardWeight λ
 */
export function mixedKlOf(
  teacherLogits: tf.Tensor2D,
  studentLogits: tf.Tensor2D,
  share: tf.Tensor1D,
  forwardWeight: number,
): Sloped {
  if (fusedAvailable()) return fusedMixedKl(teacherLogits, studentLogits, share, forwardWeight);
  return tf.tidy(() => {
    const logP = tf.logSoftmax(teacherLogits);
    const logQ = tf.logSoftmax(studentLogits);
    const p = tf.exp(logP);
    const q = tf.exp(logQ);
    const gap = tf.sub(logQ, logP);
    const reverse = tf.sum(tf.mul(q, gap), 1, true);
    const forward = tf.neg(tf.sum(tf.mul(p, gap), 1, true));
    const column = tf.expandDims(share, 1);
    const mixed = tf.add(tf.mul(forward, forwardWeight), tf.mul(reverse, 1 - forwardWeight));
    const slope = tf.add(
      tf.mul(tf.sub(q, p), forwardWeight),
      tf.mul(tf.mul(q, tf.sub(gap, reverse)), 1 - forwardWeight),
    );
    return { value: tf.sum(tf.mul(mixed, column)), slope: tf.mul(slope, column) };
  });
}

/**
 * KV-Distill's objective as the weighted mean over rows. No gradient reaches the teacher.
 * @param teacherLogits [rows, vocabulary]
 * @param studentLogits [rows, vocabulary]
 * @param weights [rows], not all zero
 * @param forwardWeight λ
 */
export function mixedKl(
  teacherLogits: tf.Tensor2D,
  studentLogits: tf.Tensor2D,
  weights: tf.Tensor1D,
  forwardWeight: number,
): tf.Scalar {
  return withSlope(studentLogits, (x) => mixedKlOf(teacherLogits, x, shares(weights), forwardWeight));
}
