/** The table of ratios. */

const sorted = (values) => [...values].sort((a, b) => a - b);

export function median(values) {
  const ordered = sorted(values);
  const half = Math.floor(ordered.length / 2);
  return ordered.length % 2 === 1 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
}

function time({ seconds, failed, clean }) {
  if (failed !== undefined) return 'failed';
  const text = (value) => (value < 1 ? `${(1000 * value).toFixed(1)} ms` : `${value.toFixed(2)} s`);
  return `${text(median(seconds))} (${text(Math.min(...seconds))}-${text(Math.max(...seconds))})${clean ? '' : ' *'}`;
}

/** Peer's time over ours, round by round: its median, and least to most. */
export function ratio(rounds, variant) {
  const ratios = rounds
    .filter((round) => round.ours.seconds && round[variant]?.seconds)
    .map((round) => median(round[variant].seconds) / median(round.ours.seconds));
  if (ratios.length === 0) return undefined;
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/** Peer's least time over our least: what neighbours on the machine disturb least. */
function leastRatio(rounds, variant) {
  const [theirs, own] = [variant, 'ours'].map((side) =>
    rounds.flatMap((round) => round[side]?.seconds ?? []),
  );
  return theirs.length === 0 || own.length === 0 ? '-' : (Math.min(...theirs) / Math.min(...own)).toFixed(2);
}

function ratioText(found) {
  if (found === undefined) return '-';
  return `${found.median.toFixed(2)} (${found.least.toFixed(2)}-${found.most.toFixed(2)})`;
}

/** Rows of Markdown. */
export function table(results) {
  const head = [
    'work',
    'kvd',
    'PyTorch eager',
    'ratio',
    'of least times',
    'wanted',
    'to torch.compile',
    'to `generate`',
    'kvd at',
  ];
  const lines = [head, head.map(() => '---')];
  for (const { work, commit, rounds } of results) {
    const together = (side) => {
      const runs = rounds.map((round) => round[side]).filter((run) => run !== undefined);
      const failed = runs.find((run) => run.failed !== undefined);
      if (runs.length === 0) return '-';
      return time(
        failed ?? { seconds: runs.flatMap((run) => run.seconds), clean: runs.every((run) => run.clean) },
      );
    };
    lines.push([
      work.title,
      together('ours'),
      together('eager'),
      ratioText(ratio(rounds, 'eager')),
      leastRatio(rounds, 'eager'),
      `${work.goal}`,
      ratioText(ratio(rounds, 'compile')),
      ratioText(ratio(rounds, 'transformers')),
      commit,
    ]);
  }
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** What torch.compile did not do, and why. */
export function leftOut(results) {
  return results.flatMap(({ work, rounds }) => {
    const failed = rounds.find(({ compile }) => compile?.failed !== undefined);
    return failed === undefined ? [] : [`torch.compile, ${work.title}: ${failed.compile.failed}`];
  });
}
