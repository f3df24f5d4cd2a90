/** Commands that a user types, what they took, and what `kvd plan` had foreseen of it. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Path of a helper of the tests, which are TypeScript, as a module in the folder `work`. */
export function helper(work, name) {
  const source = readFileSync(here(`../test/helpers/${name}.ts`), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: 'esnext', target: 'es2022' },
  });
  const path = join(work, `${name}.mjs`);
  // Packages are found from here, not from the work's folder.
  const found = outputText.replace(/ from '(@[^']+)'/g, (_, name) => ` from '${import.meta.resolve(name)}'`);
  writeFileSync(path, found);
  return path;
}

/** @returns what runs `kvd` in the folder `work` and shows what it says; it returns what was written and taken (usage.mjs) */
export function runner(work) {
  const peak = helper(work, 'peak');
  const usage = join(work, 'usage.json');
  return (env, ...args) => {
    process.stderr.write(`\n$ kvd ${args.join(' ')}\n`);
    const child = spawn(process.execPath, ['--import', here('usage.mjs'), here('../bin/run.js'), ...args], {
      cwd: work,
      env: {
        ...{ ...process.env, CI: 'true', NO_COLOR: '1', ...env },
        ...{ KVD_BENCH_USAGE: usage, KVD_BENCH_PEAK: peak },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const parts = [];
    child.stdout.on('data', (part) => parts.push(part));
    return new Promise((done, failed) => {
      child.on('error', failed);
      child.on('exit', (code) => {
        const stdout = Buffer.concat(parts).toString();
        if (code !== 0) return failed(new Error(`kvd ${args[0]} ended with ${code}\n${stdout}`));
        if (!args.includes('--json')) process.stderr.write(stdout);
        done({ stdout, ...JSON.parse(readFileSync(usage, 'utf8')) });
      });
    });
  };
}

export const row = (...cells) => `| ${cells.join(' | ')} |`;
export const header = [row('', 'planned', 'measured', 'planned / measured'), '| --- | ---: | ---: | ---: |'];

/** Bytes that were foreseen, and those that were found, unless nothing was measured. */
export function bytesRow(what, planned, found) {
  const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
  if (found === undefined) return row(what, gigabytes(planned), '–', '–');
  return row(what, gigabytes(planned), gigabytes(found), (planned / found).toFixed(2));
}

/** Tensors and resident memory of a training or evaluation: a part of a plan, and what was measured (see `runner`). */
export function memoryRows(what, { total, host }, found) {
  return [
    bytesRow(`tensors in ${what}`, total, found?.tensors),
    bytesRow('the same, resident in all', total + host, found?.resident),
  ];
}

/** Of the cells of a plan, the one that needs most. */
export const largest = (cells) => cells.reduce((a, b) => (b.total + b.host > a.total + a.host ? b : a));
