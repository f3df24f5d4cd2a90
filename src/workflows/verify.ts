/** Checks of our numbers against reference files that a second implementation wrote. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../base/errors.js';
import { keptRows } from '../base/rounding.js';
import { startEngine } from '../engine/index.js';
import { kvdTrainable } from '../methods/kvd.js';
import { FORMAT, type KvdAdapter } from '../methods/kvd-adapter.js';
import { loadLora } from '../methods/peft.js';
import { scoreTokens, selectTokens } from '../methods/scorer.js';
import { makeBatch } from '../models/batch.js';
import { loadDecoder } from '../models/checkpoint.js';
import type { Decoder } from '../models/decoder.js';
import { greedy } from '../models/generate.js';
import { loraTargets } from '../models/lora.js';
import { openSafetensors, type SafetensorsFile } from '../models/safetensors.js';
import { klRows } from '../training/losses.js';
import { klLoss } from '../training/objectives/kl.js';
import {
  disposePass,
  studentLogits,
  studentPass,
  teacherPass,
  type TeacherPass,
} from '../training/passes.js';

/** Absolute and relative tolerance; the references' own float32 error is 1e-6 to 1.5e-5. */
export const TOLERANCE = 1e-4;

export interface Check {
  name: string;
  /** Largest |ours − reference| / (1 + |reference|). */
  difference: number;
  passed: boolean;
}

/** Largest |ours − reference| / (1 + |reference|); infinite where the lengths differ or something is no number. */
export function largestDifference(ours: ArrayLike<number>, reference: ArrayLike<number>): number {
  let most = ours.length === reference.length ? 0 : Infinity;
  for (let i = 0; i < reference.length; i++) {
    const gap = Math.abs(ours[i]! - reference[i]!) / (1 + Math.abs(reference[i]!));
    most = Number.isNaN(gap) ? Infinity : Math.max(most, gap);
  }
  return most;
}

class Checks {
  readonly list: Check[] = [];

  compare(name: string, ours: ArrayLike<number>, reference: ArrayLike<number>): void {
    const difference = largestDifference(ours, reference);
    this.list.push({ name, difference, passed: difference <= TOLERANCE });
  }
}

function openReference(folder: string): SafetensorsFile {
  const path = join(folder, 'reference.safetensors');
  if (!existsSync(path)) {
    throw new UserError('no-reference', 'holds no reference.safetensors', {
      where: folder,
      hint: 'See test/golden/README.md for the format.',
    });
  }
  return openSafetensors(path);
}

function rowsOf(data: Int32Array, width: number, lengths?: ArrayLike<number>): number[][] {
  return Array.from({ length: data.length / width }, (_, row) =>
    Array.from(data.subarray(row * width, row * width + (lengths?.[row] ?? width))),
  );
}

function checkForward(model: Decoder, reference: SafetensorsFile, checks: Checks): void {
  const { shape, data: ids } = reference.readInt('input_ids');
  const sequences = rowsOf(ids, shape[1]!);
  const layers = model.config.numLayers;
  tf.tidy(() => {
    const result = model.forward(makeBatch(sequences), { collectHidden: true });
    const against = (name: string, tensor: tf.Tensor): void => {
      if (reference.has(name)) checks.compare(name, tensor.dataSync(), reference.readFloat(name).data);
    };
    against('logits', model.logits(result.hidden));
    result.hiddenStates.forEach((state, i) => {
      against(`hidden_states.${i}`, i === layers ? model.finalHidden(state) : state);
    });
    against('last_layer_output_before_final_norm', result.hidden);
    result.cache.keys.forEach((keys, layer) => against(`keys.${layer}`, keys));
    result.cache.values.forEach((values, layer) => against(`values.${layer}`, values));
  });
  if (reference.has('greedy_ids')) {
    const wanted = reference.readInt('greedy_ids').data;
    const [ours] = greedy(model, undefined, [sequences[0]!], { maxNewTokens: wanted.length, eosIds: [] });
    checks.compare('greedy_ids', ours!, wanted);
  }
}

/** Logits, hidden states, caches and greedy tokens of the model in `folder` against its reference. */
export async function verifyModel(folder: string): Promise<Check[]> {
  await startEngine();
  const reference = openReference(folder);
  const model = loadDecoder(folder);
  const checks = new Checks();
  try {
    checkForward(model, reference, checks);
  } finally {
    reference.close();
    model.dispose();
  }
  return checks.list;
}

/** The adapter of a kvd reference folder, as variables; scorer and sinks as test/golden/README.md says. */
export function referenceAdapter(folder: string, model: Decoder, reference: SafetensorsFile): KvdAdapter {
  const variable = (x: tf.Tensor2D): tf.Tensor2D => {
    const copy = tf.variable(x) as unknown as tf.Tensor2D;
    x.dispose();
    return copy;
  };
  const matrix = (name: string): tf.Tensor2D => {
    const { data, shape } = reference.readFloat(name);
    return variable(tf.tidy(() => tf.transpose(tf.tensor2d(data, shape as [number, number]))));
  };
  const lora = loadLora(join(folder, 'adapter'), model.config);
  for (const layer of lora.layers) {
    for (const target of loraTargets) {
      layer[target] = { a: variable(layer[target].a), b: variable(layer[target].b) };
    }
  }
  return {
    format: FORMAT,
    lora,
    scorer: {
      hidden: matrix('scorer.hidden.weight'),
      output: matrix('scorer.output.weight'),
      bias: 2,
      spread: null,
    },
    settings: { eta: 2, n_sink: 1, decay: true, routing: true },
  };
}

function checkGradients(
  adapter: KvdAdapter,
  grads: tf.NamedTensorMap,
  reference: SafetensorsFile,
  prefix: string,
  checks: Checks,
): void {
  const gradientOf = (matrix: tf.Tensor2D): Float32Array => {
    const found = grads[(matrix as unknown as tf.Variable).name];
    return tf.tidy(() =>
      (found === undefined ? tf.zeros([matrix.shape[1], matrix.shape[0]]) : tf.transpose(found)).dataSync(),
    ) as unknown as Float32Array;
  };
  const against = (name: string, matrix: tf.Tensor2D): void => {
    checks.compare(name, gradientOf(matrix), reference.readFloat(name).data);
  };
  adapter.lora.layers.forEach((layer, index) => {
    for (const target of loraTargets) {
      const name = `${prefix}.grad.layers.${index}.${target}_proj`;
      against(`${name}.lora_A`, layer[target].a);
      against(`${name}.lora_B`, layer[target].b);
    }
  });
  against(`${prefix}.grad.scorer.hidden.weight`, adapter.scorer.hidden);
  against(`${prefix}.grad.scorer.output.weight`, adapter.scorer.output);
}

/**
 * One whole KV-Distill step (scores, selection, logits, losses, gradients) against a reference folder.
 * @param ways how the model saves memory
 */
export async function verifyKvd(
  folder: string,
  ways: Partial<Pick<Decoder, 'checkpointLayers' | 'logitBlock' | 'attentionBlock'>> = {},
): Promise<Check[]> {
  await startEngine();
  const reference = openReference(folder);
  const model = Object.assign(loadDecoder(folder), ways);
  const checks = new Checks();
  const adapter = referenceAdapter(folder, model, reference);
  try {
    const lengths = reference.readInt('context_lengths').data;
    const { shape: contextShape, data: contextData } = reference.readInt('context_ids');
    const { shape: questionShape, data: questionData } = reference.readInt('question_ids');
    const weights = reference.readFloat('target_weights').data;
    const width = questionShape[1]!;
    const contexts = rowsOf(contextData, contextShape[1]!, lengths);
    const examples = contexts.map((context, row) => ({
      id: `${row}`,
      context,
      continuation: Array.from(questionData.subarray(row * width, (row + 1) * width - 1)),
      targets: Array.from({ length: width - 1 }, (_, t) => t).filter(
        (t) => weights[row * width + t + 1]! > 0,
      ),
    }));
    const passAt = (share: number): TeacherPass =>
      teacherPass(
        model,
        examples,
        contexts.map((context) => keptRows(share, context.length)),
        adapter.settings.eta,
        { padTo: { contextTokens: contextShape[1]!, continuationTokens: width - 1 } },
      );
    const student = (pass: TeacherPass): tf.Tensor2D =>
      studentLogits(model, studentPass(model, kvdTrainable, adapter, pass), pass);
    const first = passAt(1);
    const targetRows = Array.from(first.targetRows.dataSync());
    const vocabulary = model.config.vocabSize;
    const rowsAt = (name: string, columns: number): Float32Array => {
      const { data } = reference.readFloat(name);
      return Float32Array.from(
        targetRows.flatMap((row) => Array.from(data.subarray(row * columns, (row + 1) * columns))),
      );
    };
    checks.compare(
      'teacher_logits at targets',
      model.project(first.normed!).dataSync(),
      rowsAt('teacher_logits', vocabulary),
    );
    disposePass(first);
    for (const percent of [50, 25, 10]) {
      const prefix = `r${percent}`;
      const pass = passAt(percent / 100);
      tf.tidy(() => {
        const scores = scoreTokens(adapter.scorer, pass.hidden!, pass.contexts, adapter.settings.n_sink);
        checks.compare(`${prefix}.scores`, scores.dataSync(), reference.readFloat(`${prefix}.scores`).data);
        const selected = selectTokens(scores, pass.contexts, pass.kept, adapter.settings.n_sink);
        checks.compare(
          `${prefix}.selected`,
          selected.dataSync(),
          reference.readInt(`${prefix}.selected`).data,
        );
        const logits = student(pass);
        checks.compare(
          `${prefix}.student_logits at targets`,
          logits.dataSync(),
          rowsAt(`${prefix}.student_logits`, vocabulary),
        );
        const { forward, reverse } = klRows(model.project(pass.normed!), logits);
        checks.compare(`${prefix}.forward_kl`, forward.dataSync(), rowsAt(`${prefix}.forward_kl`, 1));
        checks.compare(`${prefix}.reverse_kl`, reverse.dataSync(), rowsAt(`${prefix}.reverse_kl`, 1));
      });
      const { value, grads } = tf.variableGrads(
        () => {
          const encoded = studentPass(model, kvdTrainable, adapter, pass);
          return klLoss(model, pass, encoded, 0.6);
        },
        Object.values(kvdTrainable.trained(adapter)),
      );
      checks.compare(`${prefix}.loss`, value.dataSync(), reference.readFloat(`${prefix}.loss`).data);
      if (reference.has(`${prefix}.grad.scorer.output.weight`)) {
        checkGradients(adapter, grads, reference, prefix, checks);
      }
      tf.dispose([value, grads]);
      disposePass(pass);
    }
  } finally {
    reference.close();
    model.dispose();
  }
  return checks.list;
}

/** The checks as lines, the worst first where any failed. */
export function renderChecks(checks: readonly Check[]): string {
  const lines = checks.map(
    ({ name, difference, passed }) =>
      `${passed ? 'ok  ' : 'FAIL'} ${name}  largest difference ${difference.toExponential(1)}`,
  );
  const failed = checks.filter((check) => !check.passed).length;
  return [...lines, `${checks.length - failed} of ${checks.length} within ${TOLERANCE}`].join('\n');
}
