/** Tutorials as tests: their commands run as they stand, their quoted files are those of the repository. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** A Markdown file's fenced blocks of shell commands, in order, and whether they are marked as long. */
function shellBlocks(markdown: string): { long: boolean; block: string }[] {
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
 * Runs the `sh` blocks of a tutorial, one after the other in one fresh folder, until one fails; `kvd` is this
 * checkout's. In blocks marked `sh long`, `kvd reproduce` takes a step or two of everything.
 */
export function runTutorial(path: string): BlockResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'kvd-docs-'));
  const programs = mkdtempSync(join(tmpdir(), 'kvd-bin-'));
  const kvd = join(programs, 'kvd');
  writeFileSync(kvd, `#!/bin/sh\nexec "${process.execPath}" "${resolve('bin/run.js')}" "$@"\n`);
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

/** Files that a tutorial quotes whole: the block after a line `<!-- file: path -->`. */
export function quotedFiles(markdown: string): { path: string; content: string }[] {
  const quote = /^<!-- file: (\S+) -->\n+```\w+\n(.*?)^```$/gms;
  return [...markdown.matchAll(quote)].map(([, path, content]) => ({ path: path!, content: content! }));
}
