/** Tutorials as tests: their commands run as they stand, their quoted files are those of the repository. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** Contents of a Markdown file's fenced blocks of one language, in order. */
export function blocksOf(markdown: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms');
  return [...markdown.matchAll(fence)].map(([, content]) => content!);
}

export interface BlockResult {
  block: string;
  status: number | null;
  output: string;
}

/**
 * Runs the `sh` blocks of a tutorial, one after the other in one fresh folder, until one fails; `kvd` is this
 * checkout's.
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
  for (const block of blocksOf(readFileSync(path, 'utf8'), 'sh')) {
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', block], {
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
