import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withShapes } from '../../../src/engine/shapes.js';
import { configOf } from '../../../src/experiment/check.js';
import { loadExperiments } from '../../../src/experiment/resolve.js';
import { randomDecoder } from '../../../src/models/random-decoder.js';
import { targets } from '../../../src/reports/sections/index.js';
import { planExperiment } from '../../../src/workflows/plan.js';
import { gpu, type Device } from '../../../src/workflows/plan-devices.js';
import { renderPlan } from '../../../src/workflows/plan-text.js';
import { experimentFiles } from '../../../src/workflows/validate.js';

const paper = 'experiments/paper';

describe('the models of the paper', () => {
  // From the public configurations, as written from memory: neither these totals nor the shipped configurations were
  // compared with the hub's files.
  it.each([
    ['meta-llama/Meta-Llama-3-8B-Instruct', 8_030_261_248],
    ['meta-llama/Llama-3.1-8B-Instruct', 8_030_261_248],
    ['meta-llama/Llama-2-7b-chat-hf', 6_738_415_616],
    ['mistralai/Mistral-7B-Instruct-v0.2', 7_241_732_096],
    ['mistralai/Mistral-7B-Instruct-v0.3', 7_248_023_552],
    ['google/gemma-2-9b-it', 9_241_705_984],
    ['google/gemma-2-27b-it', 27_227_128_320],
    ['Qwen/Qwen2.5-7B-Instruct', 7_615_616_512],
    ['microsoft/Phi-3-mini-4k-instruct', 3_821_079_552],
  ])('%s has %i parameters', async (name, parameters) => {
    const { config } = configOf(name);
    const bytes = await withShapes(false, (backend) => {
      const before = backend.live;
      const model = randomDecoder(config, 1);
      const grown = backend.live - before;
      model.dispose();
      return grown;
    });
    expect(bytes / 4).toBe(parameters);
  });
});

describe('experiments at the scale of the paper', () => {
  it('are there for every target, and their models are described', () => {
    const files = experimentFiles(paper);
    const names = targets.list().flatMap(({ experiments }) => experiments);
    const wanted = names.filter((name) => /^(table|figure[345]|short)/.test(name) && !/nano/.test(name));
    for (const name of wanted) expect(files).toContain(join(paper, `${name}.yaml`));
    for (const { experiment } of files.flatMap((file) => loadExperiments(file))) {
      expect(configOf(experiment.model.name_or_path).config.hiddenSize).toBeGreaterThan(3000);
    }
  });

  it('train an adapter of the size that the paper tells, which fits 80 GB', async () => {
    const [table2] = loadExperiments(join(paper, 'table2.yaml'), ['evaluation.retention=0.2']);
    const plan = await planExperiment(table2!, { device: gpu('A100-80GB') });
    expect(plan.training!.parameters).toBe(8_030_261_248);
    expect(plan.training!.trained / 150e6).toBeGreaterThan(0.8);
    expect(plan.training!.trained / 150e6).toBeLessThan(1.2);
    expect(plan.training!.memory.weights).toBe(4 * 8_030_261_248);
    expect(plan.training!.activations.checkpointed).toBeLessThan(0.2 * plan.training!.activations.kept);
    expect(renderPlan(plan)).toContain('It fits.');
  });
});

it('refuses what cannot fit, and says with what it would', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'kvd-plan-')), 'x.yaml');
  writeFileSync(
    file,
    'name: x\nmodel: { name_or_path: llama-small }\nmethod: { eta: 2, lora_r: 8 }\ntraining: { max_steps: 9, max_context_tokens: 300, micro_batch_size: 8 }\n',
  );
  const [loaded] = loadExperiments(file);
  const device = (memory: number): Device => ({ ...gpu('T4-16GB'), memory });
  const roomy = await planExperiment(loaded!, { device: device(16e9) });
  expect(roomy.fits).toBe(true);
  const { checkpointed, kept } = roomy.training!.activations;
  const between = (roomy.training!.total - kept + (checkpointed + kept) / 2) / device(1).usable;
  const tight = await planExperiment(loaded!, { device: device(between) });
  expect(tight.fits).toBe(false);
  expect(tight.remedy).toBe('It fits with --set training.gradient_checkpointing=true');
  const hopeless = await planExperiment(loaded!, { device: device(1e6) });
  expect(hopeless.remedy).toContain('No setting makes it fit here');
});
