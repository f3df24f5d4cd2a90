/** Losses over rows of logits, each with its gradient in one pass. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Weighted mean cross entropy.
 * @param logits [rows, vocabulary]
 * @param labels int32 [rows]
 * @param weights [rows], not all zero
 * @returns scalar, natural log
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  const loss = tf.customGrad((input, save) => {
    const x = input as tf.Tensor2D;
    const logProbabilities = tf.logSoftmax(x);
    const targets = tf.oneHot(labels, x.shape[1]);
    const share = tf.div(weights, tf.sum(weights));
    (save as tf.GradSaveFunc)([logProbabilities, targets, share]);
    return {
      value: tf.neg(tf.sum(tf.mul(tf.sum(tf.mul(logProbabilities, targets), 1), share))),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [logP, target, rowShare] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        return tf.mul(tf.sub(tf.exp(logP), target), tf.mul(tf.expandDims(rowShare, 1), dy));
      },
    };
  });
  return loss(logits) as tf.Scalar;
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
 * KV-Distill's objective (section 3.3): the weighted mean over rows of
 * λ·KL(p‖q) + (1−λ)·KL(q‖p). No gradient reaches the teacher.
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
  const loss = tf.customGrad((input, save) => {
    const logP = tf.logSoftmax(teacherLogits);
    const logQ = tf.logSoftmax(input as tf.Tensor2D);
    const p = tf.exp(logP);
    const q = tf.exp(logQ);
    const gap = tf.sub(logQ, logP);
    const reverse = tf.sum(tf.mul(q, gap), 1, true);
    const forward = tf.neg(tf.sum(tf.mul(p, gap), 1, true));
    const share = tf.expandDims(tf.div(weights, tf.sum(weights)), 1);
    const mixed = tf.add(tf.mul(forward, forwardWeight), tf.mul(reverse, 1 - forwardWeight));
    const slope = tf.add(
      tf.mul(tf.sub(q, p), forwardWeight),
      tf.mul(tf.mul(q, tf.sub(gap, reverse)), 1 - forwardWeight),
    );
    (save as tf.GradSaveFunc)([tf.mul(slope, share)]);
    return {
      value: tf.sum(tf.mul(mixed, share)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(saved[0]!, dy),
    };
  });
  return loss(studentLogits) as tf.Scalar;
}
