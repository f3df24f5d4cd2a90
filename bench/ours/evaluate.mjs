/** `kvd eval`'s loop over samples, with each method. */
import { keptRows } from '../../dist/base/rounding.js';
import { evaluate } from '../../dist/evaluation/evaluate.js';
import { methods } from '../../dist/methods/index.js';
import { openSession } from '../../dist/workflows/session.js';
import { samplesOf } from './samples.mjs';

export async function prepare(work) {
  const session = await openSession(work.folder);
  const { task, samples } = samplesOf(work);
  const run = async () => {
    for (const { name, ...given } of work.methods) {
      const method = methods.get(name);
      const request = {
        ...session,
        task,
        method,
        methodOptions: method.options.parse(given),
        keptRows: (length) => keptRows(work.retention, length),
        batchSize: 50,
        maxNewTokens: work.new,
        intrinsic: false,
      };
      for await (const _ of evaluate(request, samples));
    }
  };
  return { run };
}
