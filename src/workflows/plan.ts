/** `kvd plan`: what an experiment will take of a machine, and whether it fits, without a model; data need not be there. */
import { cellCost, FURTHER } from '../evaluation/cell-cost.js';
import { configOf } from '../experiment/check.js';
import type { LoadedExperiment } from '../experiment/resolve.js';
import { keptTokens } from '../experiment/retention.js';
import type { Experiment } from '../experiment/schema.js';
import type { Work } from '../engine/shapes.js';
import { methods } from '../methods/index.js';
import type { ModelConfig } from '../models/config.js';
import { tasks } from '../tasks/index.js';
import { stepCost } from '../training/step-cost.js';
import { cellsOf } from './cells.js';
import { batchOf, samplesOf, type PlannedBatch, type Samples } from './plan-batches.js';
import { gpu, gpuNames, secondsOf, type Device } from './plan-devices.js';

export interface TrainingPlan {
  parameters: number;
  trained: number;
  /** Bytes on the device, by part. */
  memory: Record<'weights' | 'adapter' | 'optimiser' | 'gradients' | 'activations', number>;
  /** Activations without, and with, gradient checkpointing. */
  activations: { kept: number; checkpointed: number };
  total: number;
  /** Bytes on the host beside tensors. */
  host: number;
  /** Of one optimiser step, all its micro-batches, and of the training. */
  flops: number;
  stepSeconds: number;
  steps: number;
  hours: number;
}

export interface CellPlan {
  method: string;
  budget: string;
  memory: Record<'weights' | 'adapter' | 'activations', number>;
  cache: { whole: number; kept: number };
  total: number;
  /** Bytes on the host beside tensors. */
  host: number;
  /** Of one batch. */
  batchSeconds: number;
}

export interface Plan {
  name: string;
  model: string;
  device: string;
  /** Bytes that tensors may take there; where they lie in the host's memory, the host's share is in it, too. */
  available: number;
  onHost: boolean;
  /** Tokens of the longest context that is planned for. */
  context: number;
  training?: TrainingPlan;
  /** The most that a batch of the evaluation asks for. */
  batch?: PlannedBatch;
  cells: CellPlan[];
  /** The most bytes that the host needs, beside tensors that lie there. */
  host: number;
  fits: boolean;
  /** What would make it fit, where it does not. */
  remedy?: string;
}

export interface PlanOptions {
  device: Device;
  /** Tokens of the contexts to plan for; else training's longest, or the model's. */
  context?: number | undefined;
}

interface Given extends PlanOptions {
  /** Of the evaluation, where there is one. */
  samples: Samples | undefined;
}

const EVALUATED_CONTEXT = 8192;
/** Node, libtensorflow and kvd before any tensor, 440 MB, and what JavaScript holds in a training or evaluation. */
const HOST_BASE = 500e6;

const sum = (parts: Record<string, number>): number => Object.values(parts).reduce((a, b) => a + b, 0);
/** Bytes beside tensors: what comes and goes stays with the process, for the next of its size. */
function hostBytes(work: readonly Work[], passing: number): number {
  return HOST_BASE + passing + work.reduce((most, { scratch }) => Math.max(most, scratch), 0);
}

type Training = NonNullable<Experiment['training']>;

async function planTraining(
  experiment: Experiment,
  training: Training,
  config: ModelConfig,
  { device, context }: Given,
): Promise<TrainingPlan> {
  const { name, ...options } = experiment.method;
  const { trainable } = methods.get(name);
  const lengths = {
    context: Math.min(context ?? training.max_context_tokens, training.max_context_tokens),
    continuation: training.max_continuation_tokens,
  };
  const cost = (gradient_checkpointing: boolean): ReturnType<typeof stepCost> => {
    const given = { ...training, seed: experiment.seed, gradient_checkpointing };
    return stepCost(config, trainable!, options, given, lengths, device.fused);
  };
  const [kept, checkpointed] = [await cost(false), await cost(true)];
  const own = training.gradient_checkpointing === true ? checkpointed : kept;
  const [one, two] = own.work;
  const more = training.gradient_accumulation_steps - 1;
  const seconds = [one, two].map((work) => secondsOf(work, device)) as [number, number];
  const flops = [one, two].map((work) => work.reduce((total, op) => total + op.flops, 0)) as [number, number];
  const stepSeconds = seconds[0] + (more > 0 ? more * (seconds[1] - seconds[0]) : 0);
  return {
    parameters: own.parameters,
    trained: own.trained,
    memory: own.memory,
    activations: { kept: kept.memory.activations, checkpointed: checkpointed.memory.activations },
    total: sum(own.memory),
    // A checkpoint of the training holds the parameters and both moments.
    host: hostBytes(own.work.flat(), 12 * own.trained),
    flops: flops[0] + (more > 0 ? more * (flops[1] - flops[0]) : 0),
    stepSeconds,
    steps: training.max_steps,
    hours: (stepSeconds * training.max_steps) / 3600,
  };
}

async function planCells(
  experiment: Experiment,
  config: ModelConfig,
  options: Given,
): Promise<{ batch?: PlannedBatch; cells: CellPlan[] }> {
  const { evaluation } = experiment;
  const { device, samples } = options;
  if (evaluation === undefined || samples === undefined) return { cells: [] };
  const batch = batchOf(samples, evaluation.batch_size);
  const task = tasks.get(evaluation.task);
  const plans: CellPlan[] = [];
  const maxNewTokens = evaluation.max_new_tokens ?? task.maxNewTokens;
  for (const { method, options: methodOptions, budget, label } of cellsOf(experiment)) {
    const cost = await cellCost(
      {
        ...{ config, method: methods.get(method), methodOptions, task, maxNewTokens },
        context: contextOf(experiment, config, options),
        keptRows: (length) => keptTokens(budget, length),
        foldTokens: evaluation.fold_tokens,
        batch,
        intrinsic: evaluation.intrinsic,
      },
      device.fused,
    );
    const [one, more] = cost.work.map((work) => secondsOf(work, device)) as [number, number];
    plans.push({
      ...{ method, budget: label, memory: cost.memory, cache: cost.cache, total: sum(cost.memory) },
      host: hostBytes(cost.work.flat(), 0),
      batchSeconds: one + Math.max(0, maxNewTokens - 1) * ((more - one) / FURTHER),
    });
  }
  return { batch, cells: plans };
}

function contextOf({ training }: Experiment, config: ModelConfig, { context }: PlanOptions): number {
  return context ?? training?.max_context_tokens ?? Math.min(config.maxPositionEmbeddings, EVALUATED_CONTEXT);
}

function partsOf({ training, cells }: Pick<Plan, 'training' | 'cells'>): (TrainingPlan | CellPlan)[] {
  return training === undefined ? cells : [training, ...cells];
}

/** The most bytes of what `available` is for. */
function peakOf(plan: Pick<Plan, 'training' | 'cells'>, { onHost }: Device): number {
  return Math.max(0, ...partsOf(plan).map(({ total, host }) => total + (onHost ? host : 0)));
}

async function estimate(
  experiment: Experiment,
  config: ModelConfig,
  options: Given,
): Promise<Pick<Plan, 'training' | 'batch' | 'cells'>> {
  const { training } = experiment;
  return {
    ...(training && { training: await planTraining(experiment, training, config, options) }),
    ...(await planCells(experiment, config, options)),
  };
}

/** Ways to need less, each on top of those before it. */
function* smaller(experiment: Experiment): Generator<{ experiment: Experiment; said: string[] }> {
  const said: string[] = [];
  let { training, evaluation } = experiment;
  const next = (...lines: string[]): { experiment: Experiment; said: string[] } => {
    said.push(...lines);
    return { experiment: { ...experiment, training, evaluation }, said: [...said] };
  };
  if (training !== undefined && training.gradient_checkpointing !== true) {
    training = { ...training, gradient_checkpointing: true };
    yield next('training.gradient_checkpointing=true');
  }
  if (training !== undefined && training.micro_batch_size > 1) {
    const steps = training.micro_batch_size * training.gradient_accumulation_steps;
    training = { ...training, micro_batch_size: 1, gradient_accumulation_steps: steps };
    yield next('training.micro_batch_size=1', `training.gradient_accumulation_steps=${steps}`);
  }
  if (evaluation !== undefined && evaluation.batch_size > 1) {
    evaluation = { ...evaluation, batch_size: 1 };
    yield next('evaluation.batch_size=1');
  }
  while (training !== undefined && training.max_context_tokens > 1024) {
    const max_context_tokens = Math.floor(training.max_context_tokens / 2);
    training = { ...training, max_context_tokens };
    said.splice(0, said.length, ...said.filter((line) => !line.startsWith('training.max_context')));
    yield next(`training.max_context_tokens=${max_context_tokens}`);
  }
}

async function remedyOf(experiment: Experiment, config: ModelConfig, options: Given): Promise<string> {
  const available = options.device.memory * options.device.usable;
  let least = Infinity;
  for (const change of smaller(experiment)) {
    const { context: _, ...free } = options;
    const peak = peakOf(await estimate(change.experiment, config, free), options.device);
    least = Math.min(least, peak);
    if (peak <= available) return `It fits with ${change.said.map((line) => `--set ${line}`).join(' ')}`;
  }
  const larger = gpuNames.map(gpu).filter(({ memory, usable }) => memory * usable >= least);
  return larger.length === 0
    ? 'No setting and no GPU that kvd knows makes it fit: weights are float32 and on one device'
    : `No setting makes it fit here; with them all it fits ${larger.map(({ name }) => name).join(', ')}`;
}

/** Plans an experiment for a device; needs its model's configuration alone, and looks at the evaluation's data if there. */
export async function planExperiment({ experiment }: LoadedExperiment, asked: PlanOptions): Promise<Plan> {
  const { evaluation } = experiment;
  const options: Given = { ...asked, samples: evaluation && samplesOf(evaluation) };
  const { config } = configOf(experiment.model.name_or_path);
  const available = options.device.memory * options.device.usable;
  const estimated = await estimate(experiment, config, options);
  const fits = peakOf(estimated, options.device) <= available;
  return {
    name: experiment.name,
    model: experiment.model.name_or_path,
    device: options.device.name,
    available,
    onHost: options.device.onHost,
    context: contextOf(experiment, config, options),
    ...estimated,
    host: Math.max(HOST_BASE, ...partsOf(estimated).map(({ host }) => host)),
    fits,
    ...(!fits && { remedy: await remedyOf(experiment, config, options) }),
  };
}
