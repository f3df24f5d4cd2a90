import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { checkExperiment } from '../../../src/experiment/check.js';
import { exampleExperiment } from '../../../src/experiment/example.js';
import { configSchema } from '../../../src/experiment/json-schema.js';
import { loadExperiments, loadPretrain, trainingHash } from '../../../src/experiment/resolve.js';
import { budgetsOf, describeBudget, keptTokens } from '../../../src/experiment/retention.js';
import { experimentFiles, validateFiles } from '../../../src/workflows/validate.js';
import { Random } from '../../../src/engine/random.js';

const folder = mkdtempSync(join(tmpdir(), 'kvd-'));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function problemsOf(path: string, sets: string[] = []): string {
  try {
    loadExperiments(path, sets);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).describe();
  }
  throw new Error('no problem was found');
}

const minimal = `name: x
model: { name_or_path: llama-small }
evaluation:
  task: nano-qa
  methods: [full, h2i]
  retention: 0.25
`;

describe('experiment files', () => {
  it('resolve with defaults, frozen', () => {
    const [loaded] = loadExperiments(file('a.yaml', minimal));
    expect(loaded!.experiment.method.lora_r).toBe(128);
    expect(Object.isFrozen(loaded!.experiment.evaluation)).toBe(true);
  });

  it('report every problem at once, with place and the nearest key', () => {
    const text = `${minimal}  splitt: test\nmethod: { name: kvd, ettta: 3, lora_rank: 4 }\ntraining: { lr: 1, max_steps: 0 }\nmodell: 3\n`;
    const path = file('bad.yaml', text);
    const problems = problemsOf(path);
    expect(problems).toContain(`${path}:7:3: unknown key "splitt"; did you mean "split"?`);
    expect(problems).toContain(`${path}:8:22: unknown key "ettta"; did you mean "eta"?`);
    expect(problems).toContain('did you mean "lora_r"?');
    expect(problems).toContain('did you mean "learning_rate"?');
    expect(problems).toContain(`${path}:9:20: training.max_steps`);
    expect(problems).toContain(`${path}:10:1: unknown key "modell"; did you mean "model"?`);
  });

  it('keep places through extends', () => {
    const base = file('_base.yaml', `${minimal}training:\n  max_steps: many\n`);
    const path = file('child.yaml', 'extends: _base.yaml\nname: child\nseeed: 2\n');
    const problems = problemsOf(path);
    expect(problems).toContain(`${base}:8:3: training.max_steps`);
    expect(problems).toContain(`${path}:3:1: unknown key "seeed"`);
  });

  it('refuse cycles, syntax errors, duplicate keys, alias bombs and what is no map', () => {
    file('loop.yaml', 'extends: loop.yaml\n');
    expect(problemsOf(join(folder, 'loop.yaml'))).toContain('extends itself');
    expect(problemsOf(file('s.yaml', 'a: [1\n'))).toMatch(/s\.yaml:\d+:\d+/);
    expect(problemsOf(file('d.yaml', 'name: a\nname: b\n'))).toMatch(/d\.yaml:2:1.*unique/);
    expect(problemsOf(file('l.yaml', '- 1\n'))).toContain('map');
    expect(problemsOf(file('k.yaml', 'name: a\n{ b: 1 }: 2\n'))).toMatch(/k\.yaml:2:1.*a key is a word/);
    const bomb = [
      'a: &a [1,2,3,4,5,6,7,8,9,0]',
      ...'bcdefgh'.split('').map((c, i) => `${c}: &${c} [${Array(10).fill(`*${'abcdefgh'[i]}`).join()}]`),
    ];
    expect(problemsOf(file('bomb.yaml', `${bomb.join('\n')}\n`))).toMatch(/alias/i);
    expect(problemsOf(join(folder, 'none.yaml'))).toContain('no such file');
  });

  it('want exactly one way to say how much is kept', () => {
    expect(problemsOf(file('two.yaml', `${minimal}  budget_tokens: 8\n`))).toContain('exactly one of');
    expect(problemsOf(file('no.yaml', minimal.replace(/ {2}retention.*\n/, '')))).toContain('none is given');
  });

  it('give both keys of a warm-up of folds, or none, and shorter folds in it', () => {
    const problems = (keys: string): string[] => {
      const training = `method: { eta: 2 }\ntraining: { max_steps: 5, fold_tokens: 64${keys} }\n`;
      return checkExperiment(loadExperiments(file('fold.yaml', minimal + training))[0]!);
    };
    expect(problems('')).toEqual([]);
    expect(problems(', fold_warmup_steps: 2, fold_warmup_tokens: 32')).toEqual([]);
    for (const one of ['fold_warmup_steps: 2', 'fold_warmup_tokens: 32'])
      expect(problems(`, ${one}`).join()).toContain('are given together');
    const longer = ', fold_warmup_steps: 2, fold_warmup_tokens: 65';
    expect(problems(longer).join()).toContain('fold_warmup_tokens is greater than training.fold_tokens');
  });

  it('take overrides, and name them where they are wrong', () => {
    const path = file('o.yaml', minimal);
    const [loaded] = loadExperiments(path, ['seed=7', 'method.eta=2', 'evaluation.retention=[0.5, 0.1]']);
    expect(loaded!.experiment).toMatchObject({
      seed: 7,
      method: { eta: 2 },
      evaluation: { retention: [0.5, 0.1] },
    });
    expect(problemsOf(path, ['evaluation.limt=3'])).toContain(
      '--set evaluation.limt: unknown key "limt"; did you mean "limit"?',
    );
    expect(problemsOf(path, ['nonsense'])).toContain('no override');
    expect(problemsOf(path, ['__proto__.x=1'])).toContain('no key path');
  });

  it('multiply sweeps, values under _ moving together; hashes do not depend on order', () => {
    const sweep =
      'sweep:\n  seed: [1, 2, 3]\n  _:\n    - { model.name_or_path: a, method.eta: 1 }\n    - { model.name_or_path: b, method.eta: 2 }\n';
    const all = loadExperiments(file('sw.yaml', minimal + sweep));
    expect(all.length).toBe(6);
    expect(new Set(all.map(({ hash }) => hash)).size).toBe(6);
    const turned = loadExperiments(file('sw2.yaml', minimal + sweep.replace('[1, 2, 3]', '[3, 2, 1]')));
    expect(new Set(turned.map(({ hash }) => hash))).toEqual(new Set(all.map(({ hash }) => hash)));
    expect(new Set(all.map(({ experiment }) => experiment.name)).size).toBe(6);
  });

  it('train the same adapter whatever the name, the output folder or the evaluation', () => {
    const training = 'training: { max_steps: 5 }\n';
    const [a] = loadExperiments(file('t1.yaml', minimal + training));
    const [b] = loadExperiments(
      file(
        't2.yaml',
        minimal.replace('name: x', 'name: y').replace('0.25', '0.1') +
          training.replace('5', '5, output_dir: z'),
      ),
    );
    const [c] = loadExperiments(file('t3.yaml', minimal + training.replace('5', '6')));
    expect(trainingHash(a!.experiment)).toBe(trainingHash(b!.experiment));
    expect(trainingHash(a!.experiment)).not.toBe(trainingHash(c!.experiment));
  });

  it('meet 1,000 damaged files with nothing but clear errors', () => {
    const random = new Random('yaml');
    for (let i = 0; i < 1000; i++) {
      const letters = [...exampleExperiment.replace(/^\s*#.*$/gm, '')];
      for (let n = 0; n < 4; n++)
        letters[random.int(letters.length)] = random.pick([...'{}[]:,&*!|>\'"%@`#-\t\n0a']);
      try {
        loadExperiments(file('fuzz.yaml', letters.join('')));
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }
  });
});

describe('every shipped experiment', () => {
  const files = experimentFiles('experiments');
  it('there are some', () => expect(files.length).toBeGreaterThan(2));
  it.each(files)('%s is written as it should be', (path) => {
    if (/^kind: pretrain|pretrain/m.test(path)) expect(loadPretrain(path).experiment.kind).toBe('pretrain');
    else expect(loadExperiments(path).length).toBeGreaterThan(0);
    expect(validateFiles([path], [])[0]!.problems).toEqual([]);
  });
});

describe('what kvd init and config-schema give', () => {
  it('the example is valid', () => {
    expect(validateFiles([file('example.yaml', exampleExperiment)], [])[0]!.problems).toEqual([]);
  });
  it('the schema knows every section', () => {
    const text = JSON.stringify(configSchema());
    for (const key of ['kl_forward_weight', 'lora_r', 'compression_factor', 'curriculum', 'sweep'])
      expect(text).toContain(key);
  });
});

describe('budgets', () => {
  it('mean the same however they are written', () => {
    const [a] = budgetsOf({ retention: 0.2 });
    expect(budgetsOf({ compression_ratio: 0.8 })).toEqual([a]);
    expect(budgetsOf({ compression_factor: 5 })).toEqual([a]);
    expect(describeBudget(a!)).toBe('20 %');
    expect(budgetsOf({ budget_tokens: [8, 16] }).map(describeBudget)).toEqual(['8 tokens', '16 tokens']);
  });
  it('keep at least one row and at most all', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 100_000 }),
        (retention, length) => {
          const kept = keptTokens({ kind: 'ratio', retention }, length);
          expect(kept).toBeGreaterThanOrEqual(1);
          expect(kept).toBeLessThanOrEqual(length);
          expect(Math.abs(kept - retention * length)).toBeLessThanOrEqual(
            Math.max(0.5, 1 - retention * length) + 1e-9,
          );
        },
      ),
    );
  });
});
