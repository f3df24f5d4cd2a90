/** AdamW with decoupled weight decay, and global gradient clipping: PyTorch's arithmetic, in float32. */
import * as tf from '@tensorflow/tfjs-core';
import { fusedAdamW, fusedAvailable, fusedSquares } from '../engine/fused.js';

export interface AdamWOptions {
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
  weight_decay: number;
}

export type NamedVariables = Record<string, tf.Variable>;
export type NamedGradients = Record<string, tf.Tensor>;

function gradientOf(gradients: NamedGradients, name: string): tf.Tensor {
  const gradient = gradients[name];
  if (gradient === undefined) throw new Error(`no gradient for ${name}`);
  return gradient;
}

/** Moments of each parameter and the number of steps taken: all the state there is. */
export class AdamW {
  readonly first: NamedVariables = {};
  readonly second: NamedVariables = {};
  step = 0;

  constructor(
    private readonly parameters: NamedVariables,
    private readonly options: AdamWOptions,
  ) {
    for (const [name, parameter] of Object.entries(parameters)) {
      this.first[name] = tf.tidy(() => tf.variable(tf.zerosLike(parameter), false));
      this.second[name] = tf.tidy(() => tf.variable(tf.zerosLike(parameter), false));
    }
  }

  /**
   * One update in place (Loshchilov & Hutter 2019, as torch.optim.AdamW: decay first, bias-corrected
   * moments, epsilon added after the root).
   * @param coefficient factor on all gradients
   */
  update(gradients: NamedGradients, learningRate: number, coefficient = 1): void {
    this.step += 1;
    const { adam_beta1, adam_beta2, adam_epsilon, weight_decay } = this.options;
    const correction1 = 1 - adam_beta1 ** this.step;
    const correction2 = Math.sqrt(1 - adam_beta2 ** this.step);
    if (fusedAvailable()) {
      const betas = [adam_beta1, 1 - adam_beta1, adam_beta2, 1 - adam_beta2];
      const rate = learningRate / correction1;
      const kept = 1 - learningRate * weight_decay;
      this.updateAtOnce(gradients, [...betas, adam_epsilon, correction2, rate, kept, coefficient]);
      return;
    }
    tf.tidy(() => {
      for (const [name, parameter] of Object.entries(this.parameters)) {
        const gradient = tf.mul(gradientOf(gradients, name), coefficient);
        const first = this.first[name]!;
        const second = this.second[name]!;
        first.assign(tf.add(tf.mul(first, adam_beta1), tf.mul(gradient, 1 - adam_beta1)));
        second.assign(tf.add(tf.mul(second, adam_beta2), tf.mul(tf.square(gradient), 1 - adam_beta2)));
        const scale = tf.add(tf.div(tf.sqrt(second), correction2), adam_epsilon);
        const move = tf.mul(tf.div(first, scale), learningRate / correction1);
        const decayed = weight_decay === 0 ? parameter : tf.mul(parameter, 1 - learningRate * weight_decay);
        parameter.assign(tf.sub(decayed, move));
      }
    });
  }

  /** @param settings as `fusedAdamW` wants them */
  private updateAtOnce(gradients: NamedGradients, settings: readonly number[]): void {
    const names = Object.keys(this.parameters);
    const given = names.map((name) => gradientOf(gradients, name));
    const [parameters, first, second] = [this.parameters, this.first, this.second].map((all) =>
      names.map((name) => all[name]!),
    ) as [tf.Variable[], tf.Variable[], tf.Variable[]];
    tf.tidy(() => {
      const updated = fusedAdamW(settings, parameters, first, second, given);
      updated.forEach((tensor, i) => parameters[i]!.assign(tensor));
    });
  }

  dispose(): void {
    tf.dispose([...Object.values(this.first), ...Object.values(this.second)]);
  }
}

/**
 * What gradients are multiplied by so that their joint 2-norm is at most `maxNorm`, as by torch's `clip_grad_norm_`:
 * min(1, maxNorm / (norm + 1e-6)).
 * @returns that factor, and the norm before clipping
 */
export function clipCoefficient(
  gradients: NamedGradients,
  maxNorm: number,
): { coefficient: number; norm: number } {
  const norm = tf.tidy(() => {
    const all = Object.values(gradients);
    const sum = fusedAvailable() ? fusedSquares(all) : tf.addN(all.map((g) => tf.sum(tf.square(g))));
    return Math.sqrt(sum.dataSync()[0]!);
  });
  return { coefficient: Math.min(1, maxNorm / (norm + 1e-6)), norm };
}
