/** A plan as people read it. */
import type { DryRun } from './dry-run.js';
import type { Plan } from './plan.js';

/** `1.53 GB`, `80 MB`. */
export function bytes(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(2)} GB` : `${Math.round(count / 1e6)} MB`;
}

function count(value: number): string {
  return value >= 1e9 ? `${(value / 1e9).toFixed(2)}B` : `${(value / 1e6).toFixed(1)}M`;
}

function time(seconds: number): string {
  if (seconds >= 7200) return `${(seconds / 3600).toFixed(1)} h`;
  return seconds >= 120 ? `${(seconds / 60).toFixed(1)} min` : `${seconds.toPrecision(2)} s`;
}

function parts(memory: Record<string, number>): string {
  return Object.entries(memory)
    .map(([name, size]) => `${name} ${bytes(size)}`)
    .join(', ');
}

export function renderPlan(plan: Plan): string {
  const { training } = plan;
  const lines = [
    `${plan.name}: ${plan.model} on ${plan.device} (${bytes(plan.available)} for ${plan.onHost ? 'tensors and host' : 'tensors'})`,
  ];
  if (training !== undefined) {
    const { activations } = training;
    lines.push(
      `  parameters  ${count(training.parameters)}, of which an adapter of ${count(training.trained)} is trained`,
      `  training    ${bytes(training.total)}: ${parts(training.memory)}`,
      `              activations without checkpointing ${bytes(activations.kept)}, with it ${bytes(activations.checkpointed)}`,
      `              ${(training.flops / 1e12).toPrecision(3)} TFLOP and at most ${time(training.stepSeconds)} a step, ${training.steps} steps: at most ${time(3600 * training.hours)}`,
    );
  }
  if (plan.batch !== undefined) {
    const { samples, contexts, unread } = plan.batch;
    lines.push(
      `  evaluation  batches of ${samples} samples on ${contexts} contexts${unread === undefined ? '' : `, taken to be all different: ${unread}`}`,
    );
  }
  for (const cell of plan.cells) {
    lines.push(
      `  ${cell.method} at ${cell.budget}: ${bytes(cell.total)} (${parts(cell.memory)}); cache ${bytes(cell.cache.whole)} → ${bytes(cell.cache.kept)}; ${time(cell.batchSeconds)} a batch`,
    );
  }
  lines.push(`  host        ${bytes(plan.host)}, besides the files' cache`);
  lines.push(plan.fits ? '  It fits.' : `  It does not fit. ${plan.remedy}.`);
  return lines.join('\n');
}

export function renderDryRun({ tokenizer, losses, batches }: DryRun): string {
  const whose =
    tokenizer === 'own' ? "the model's tokenizer" : 'one token a byte, since the model has not been pulled';
  return [
    `  dry run     narrow model of random weights, ${whose}`,
    ...(losses === undefined
      ? []
      : [`    first steps: loss ${losses.map((loss) => loss.toFixed(3)).join(', ')} nats`]),
    ...batches.map(
      ({ task, method, budget, samples, contextTokens, keptTokens, metrics }) =>
        `    ${task}, ${method} at ${budget}: ${Math.round(keptTokens)} of ${Math.round(contextTokens)} rows kept, ${samples} samples: ${metrics.join(', ')}`,
    ),
  ].join('\n');
}
