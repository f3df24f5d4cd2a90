/** Tutorials as tests: their commands run as they stand, their quoted files are those of the repository. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** A Markdown file's fenced blocks of shell commands, in order, and whether they are marked as long. */
export function shellBlocks(markdown: string): { long: boolean; block: string }[] {
  return [...markdown.matchAll(/^```sh( long)?\n(.*?)^```$/gms)].map(([, long, block]) => ({
    long: long !== undefined,
    block: block!,
  }));
}

export interface BlockResult {
  block: string;
  status: number | null;
  output: string;
}

/** What makes `kvd reproduce` a matter of seconds. */
const SHORT = [
  'training.max_steps=2',
  'training.eval_steps=2',
  'training.eval_limit=2',
  'training.micro_batch_size=2',
  'evaluation.limit=4',
  'evaluation.max_new_tokens=8',
]
  .map((set) => ` --set ${set}`)
  .join('');

/**
 * Runs the `sh` blocks of a tutorial, one after the other in one folder, until one fails; `kvd` is that of `checkout`.
 * In blocks marked `sh long`, `kvd reproduce` takes a step or two of everything.
 */
export function runTutorial(
  path: string,
  folder = mkdtempSync(join(tmpdir(), 'kvd-docs-')),
  checkout = resolve('.'),
): BlockResult[] {
  const programs = mkdtempSync(join(tmpdir(), 'kvd-bin-'));
  const kvd = join(programs, 'kvd');
  writeFileSync(kvd, `#!/bin/sh\nexec "${process.execPath}" "${join(checkout, 'bin/run.js')}" "$@"\n`);
  chmodSync(kvd, 0o755);
  const env = {
    ...process.env,
    PATH: `${programs}${delimiter}${process.env.PATH}`,
    NO_COLOR: '1',
    CI: 'true',
  };
  const results: BlockResult[] = [];
  for (const { long, block } of shellBlocks(readFileSync(path, 'utf8'))) {
    const command = long ? block.replace(/^kvd reproduce .*$/gm, (line) => `${line}${SHORT}`) : block;
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', command], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    results.push({ block, status, output: `${stdout}${stderr}` });
    if (status !== 0) break;
  }
  return results;
}

function filesAfter(marker: string, markdown: string): { path: string; content: string }[] {
  const quote = new RegExp(`^<!-- ${marker}: (\\S+) -->\\n+\`\`\`\\w+\\n(.*?)^\`\`\`$`, 'gms');
  return [...markdown.matchAll(quote)].map(([, path, content]) => ({ path: path!, content: content! }));
}

/** Files that a tutorial quotes whole: the block after a line `<!-- file: path -->`. */
export function quotedFiles(markdown: string): { path: string; content: string }[] {
  return filesAfter('file', markdown);
}

/** What of a checkout `npm run build`, the contract suites and a small evaluation need. */
const PARTS = [
  'bin',
  'src',
  'test/contract',
  'test/helpers',
  'test/setup.ts',
  'scripts',
  'engine',
  'assets',
  'datasets',
  'models/nano/llama-small',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

/**
 * A copy of this checkout with the edits that a tutorial asks for: a file for every block after a line
 * `<!-- new file: path -->`, and its `diff` blocks.
 */
export function editedCheckout(markdown: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-checkout-'));
  for (const part of PARTS) cpSync(part, join(folder, part), { recursive: true });
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  for (const { path, content } of filesAfter('new file', markdown)) {
    writeFileSync(join(folder, path), content, { flag: 'wx' });
  }
  for (const [, input] of markdown.matchAll(/^```diff\n(.*?)^```$/gms)) {
    const { status, stderr } = spawnSync('git', ['apply', '-'], { cwd: folder, input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${input}\n${stderr}`);
  }
  return folder;
}
