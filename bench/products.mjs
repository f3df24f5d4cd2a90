/** The products with weights in an op, and how long TensorFlow's matmul takes for as large ones. */
import * as tf from '@tensorflow/tfjs-core';

const REPETITIONS = 5;

/** Products [rows, depth] · [depth, columns], and how many there are of each, by op, of its inputs' shapes. */
const rules = {
  BatchMatMulV2: ([a, b], { adj_x, adj_y }) =>
    a.slice(0, -2).some((lists) => lists > 1)
      ? []
      : [[a.at(adj_x ? -1 : -2), a.at(adj_x ? -2 : -1), b.at(adj_y ? -2 : -1)]],
  KvdMlp: ([x, , gateUp, down]) => [
    [x[0], ...gateUp],
    [x[0], ...down],
  ],
  KvdProduct: ([a, b], { transposed }) => [[...a, b.at(transposed ? 0 : 1)]],
  KvdProject: ([x, , weight]) => [[x[0], ...weight]],
  KvdOutput: ([x, weight]) => [[x[0], ...weight]],
};

/**
 * The products in a run of an op: without attention's, and without those of low-rank adapters.
 * @returns each as [rows, depth, columns], those of a gradient in the form of what they are the gradient of
 */
export function productsOf(op, attributes, inputs) {
  const given = Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
  const shapes = inputs.map(({ shape }) => shape);
  const found = rules[op.replace(/Grad$/, '')]?.(shapes, given) ?? [];
  return given.learned === 1 ? [...found, ...found] : found;
}

const rates = new Map();

/**
 * Seconds of TensorFlow's matmul, on as many threads as this process has, at its best.
 * @param clock tells seconds
 */
export function matmulSeconds(product, clock) {
  const [rows, depth, columns] = product;
  const key = product.join(' × ');
  if (!rates.has(key)) {
    const a = tf.randomNormal([rows, depth]);
    const b = tf.randomNormal([depth, columns]);
    const seconds = Array.from({ length: REPETITIONS + 1 }, () => {
      const began = clock();
      const made = tf.matMul(a, b);
      made.dataSync();
      const took = clock() - began;
      made.dispose();
      return took;
    });
    tf.dispose([a, b]);
    rates.set(key, Math.min(...seconds.slice(1)));
  }
  return rates.get(key);
}

/** Calls `see(op, products)` for each op that runs from now on, until the function that it returns is called. */
export function watchProducts(backend, see) {
  const { executeSingleOutput, executeMultipleOutputs } = backend;
  for (const [name, run] of Object.entries({ executeSingleOutput, executeMultipleOutputs })) {
    backend[name] = (op, attributes, inputs, ...rest) => {
      see(op, productsOf(op, attributes, inputs));
      return run.call(backend, op, attributes, inputs, ...rest);
    };
  }
  return () => void Object.assign(backend, { executeSingleOutput, executeMultipleOutputs });
}
