/** Training that goes on from an adapter trained before. */
import * as tf from '@tensorflow/tfjs-core';
import { canonicalJson } from '../base/hash.js';
import { UserError } from '../base/errors.js';
import { adapterFormat } from '../methods/adapter-files.js';
import { disposeAdapter, type Adapter, type Trainable } from '../methods/trainable.js';
import type { ModelConfig } from '../models/config.js';

function refuse(folder: string, what: string): never {
  throw new UserError('wrong-adapter', what, {
    where: folder,
    hint: 'training.init_adapter wants an adapter of the same method, options and model.',
  });
}

function variablesOf(tensors: Record<string, tf.Tensor>): [string, tf.Variable][] {
  return Object.entries(tensors).filter(
    (entry): entry is [string, tf.Variable] => entry[1] instanceof tf.Variable,
  );
}

/** Gives a fresh adapter, made of variables, the weights of the one in `folder`; refuses one that is not its like. */
export function startFrom<A extends Adapter>(
  trainable: Trainable<A>,
  adapter: A,
  folder: string,
  config: ModelConfig,
): void {
  const format = adapterFormat(folder);
  if (format !== trainable.format) refuse(folder, `is in format ${format}, not ${trainable.format}`);
  const parent = trainable.load(folder, config);
  try {
    const [theirs, ours] = [trainable.settings(parent), trainable.settings(adapter)];
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      if (trainable.newSettings?.includes(key)) continue;
      const [there, here] = [theirs[key], ours[key]].map(canonicalJson);
      if (there !== here) refuse(folder, `was trained with ${key} ${there}, not ${here}`);
    }
    const weights = trainable.tensors(parent);
    for (const [name, variable] of variablesOf(trainable.tensors(adapter))) {
      const from = weights[name];
      if (from?.shape.join() !== variable.shape.join()) {
        refuse(folder, `matrix ${name} is [${from?.shape ?? 'absent'}], not [${variable.shape}]`);
      }
      variable.assign(from!);
    }
  } finally {
    disposeAdapter(trainable, parent);
  }
}
