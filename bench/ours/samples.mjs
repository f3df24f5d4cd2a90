/** The evaluation's samples as token ids, for the peer. */
import { take } from '../../dist/base/iterate.js';
import { prepare } from '../../dist/evaluation/prepared.js';
import { resolveModel } from '../../dist/experiment/check.js';
import { loadTokenizer } from '../../dist/models/tokenizer.js';
import { tasks } from '../../dist/tasks/index.js';

/** The task, its samples, and what a peer needs of them. */
export function samplesOf(work) {
  const task = tasks.get('nano-qa');
  const samples = take(task.samples(task.options?.parse({}) ?? {}, 'validation'), work.samples);
  const folder = resolveModel(work.folder);
  const tokenizer = loadTokenizer(folder);
  const prepared = samples.map((sample) => prepare(sample, task, tokenizer));
  const ids = prepared.map(({ context, question }) => ({ context, question }));
  return { task, samples, peer: { folder, eos: tokenizer.eosId, samples: ids } };
}
