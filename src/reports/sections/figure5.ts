/** Question-focused summaries: ROUGE-L against retention. */
import { claim } from '../verdicts.js';
import { readPublished } from '../published.js';
import { aboveH2i, curveBlocks, curveOf, furtherTable, within } from './curve.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const WHAT = 'question-focused summaries';
const UNIT = 'ROUGE-L';

export const figure5: Target = {
  name: 'figure5',
  title: 'Figure 5: question-focused summarisation',
  summary: 'ROUGE-L against retention',
  reference: 'Figure 5',
  experiments: ['figure5', 'figure5-baselines'],
  build: (all) => {
    const curve = curveOf(all, DOMAINS.SQuALITY, 'rougeL');
    if (curve === undefined) return undefined;
    return {
      intro:
        'A long document and a question that asks for a summary of a part of it; ROUGE-L against the best of several references.',
      claims: [
        within(curve, WHAT, 0.25, 1, UNIT),
        within(curve, WHAT, 0.2, 1, UNIT),
        ...aboveH2i(curve, WHAT, UNIT),
        claim(
          'uncompressed above the model without context (question-focused summaries)',
          curve.between('full', 'none', 1),
          0,
          UNIT,
        ),
      ],
      blocks: [
        ...curveBlocks(curve, 'ROUGE-L', [`The paper, SQuALITY: ${readPublished().figure5_squality.text}.`]),
        ...furtherTable(
          curveOf(all, DOMAINS.SQuALITY, 'rougeL_mean'),
          'ROUGE-L, mean over the references instead of the best',
        ),
      ],
    };
  },
};
