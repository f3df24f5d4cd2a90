/** Training state on disk: named tensors and a JSON note in one safetensors file, written atomically. */
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import { openSafetensors, writeSafetensors, type TensorToWrite } from '../models/safetensors.js';
import { notFiniteError } from './finite.js';
import type { AdamW, NamedVariables } from './adamw.js';

const NOTE = 'kvd';

/** The variables that a training run changes: parameters and AdamW's moments. */
function stateOf(parameters: NamedVariables, optimiser: AdamW): NamedVariables {
  const named: NamedVariables = {};
  for (const [name, variable] of Object.entries(parameters)) {
    named[`parameter.${name}`] = variable;
    named[`adamw.first.${name}`] = optimiser.first[name]!;
    named[`adamw.second.${name}`] = optimiser.second[name]!;
  }
  return named;
}

/**
 * Saves everything from which `loadState` goes on with the same numbers; `note` must be plain JSON. A tensor that holds
 * NaN or infinity is a UserError, and the file stays as it was.
 */
export function saveState(path: string, parameters: NamedVariables, optimiser: AdamW, note: object): void {
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, variable] of Object.entries(stateOf(parameters, optimiser))) {
    const data = variable.dataSync() as Float32Array;
    if (!data.every(Number.isFinite)) throw notFiniteError(`${name} is not finite`, path);
    tensors.set(name, { dtype: 'F32', shape: variable.shape, data });
  }
  writeSafetensors(path, tensors, { [NOTE]: JSON.stringify({ ...note, optimiserStep: optimiser.step }) });
}

/** Restores what `saveState` wrote; undefined where there is no such file. */
export function loadState(path: string, parameters: NamedVariables, optimiser: AdamW): unknown {
  if (!existsSync(path)) return undefined;
  const file = openSafetensors(path);
  try {
    for (const [name, variable] of Object.entries(stateOf(parameters, optimiser))) {
      const { shape, data } = file.readFloat(name);
      if (shape.join() !== variable.shape.join()) {
        throw new UserError('wrong-checkpoint', `tensor ${name} is [${shape}], want [${variable.shape}]`, {
          where: path,
          hint: 'The checkpoint belongs to another configuration; remove it to start again.',
        });
      }
      tf.tidy(() => variable.assign(tf.tensor(data, shape)));
    }
    const note = JSON.parse(file.metadata[NOTE] ?? '{}') as { optimiserStep?: number };
    optimiser.step = note.optimiserStep ?? 0;
    return note;
  } finally {
    file.close();
  }
}
