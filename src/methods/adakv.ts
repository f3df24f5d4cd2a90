/** AdaKV: heads of a layer compete for its rows. */
import { z } from 'zod';
import { Registry } from '../base/registry.js';
import { competeInLayers } from './competition.js';
import { ofPress } from './kvpress.js';
import { criticalkv } from './criticalkv.js';
import { pyramidkv } from './pyramidkv.js';
import { safeguardOption, safeRows } from './safeguard.js';
import { scorings } from './scorings.js';
import { defineWrapper, ofOption } from './wrapper.js';

const inner = new Registry('scoring method', [...scorings.list(), criticalkv, pyramidkv]);

/**
 * kvpress's AdaKVPress: each head keeps its best ⌊α·kept⌋ rows (at least one), the best of the others, whichever head
 * they are of, fill up kept × heads. Rows of heads that keep less are really gone, but since the heads of a layer share
 * a tensor, memory is held for as many as the largest head keeps.
 */
export const adakv = defineWrapper(inner, {
  name: 'adakv',
  summary: "Heads of a layer compete for its rows, by another method's scores",
  reference: 'Ada-KV, arXiv 2407.11550; kvpress AdaKVPress',
  kvpress: {
    press: 'AdaKVPress',
    options: ofPress(inner, 'alpha_safeguard'),
  },
  options: z.strictObject({
    of: ofOption(inner, 'snapkv'),
    ...safeguardOption,
  }),
  rank: (request, { method, options }, { alpha_safeguard }) => {
    const ranking = method.rank(request, options);
    const counts = competeInLayers(ranking, (kept) => safeRows(kept, alpha_safeguard));
    return { ...ranking, counts };
  },
});
