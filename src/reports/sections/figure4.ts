/** Long-context multiple-choice questions: accuracy against retention. */
import { claim } from '../verdicts.js';
import { readPublished } from '../published.js';
import { aboveH2i, curveBlocks, curveOf, furtherTable, within } from './curve.js';
import { DOMAINS } from './domains.js';
import type { Target } from './section.js';

const WHAT = 'long-context questions';

export const figure4: Target = {
  name: 'figure4',
  title: 'Figure 4: long-context question answering',
  summary: 'letter accuracy against retention',
  reference: 'Figure 4',
  experiments: ['figure4', 'figure4-baselines'],
  build: (all) => {
    const curve = curveOf(all, DOMAINS.QuALITY, 'letter_accuracy');
    if (curve === undefined) return undefined;
    const byLikelihood = curveOf(all, DOMAINS.QuALITY, 'choice_accuracy');
    const { figure4_quality: published } = readPublished();
    const paper = Object.entries(published.at_zero_retention).map(([model, value]) => `${model} ${value} %`);
    const [least] = curve.ratios.slice(-1);
    return {
      intro:
        'A long document and a question with four choices, of which the wrong ones stand in the document too; accuracy of the letter that the model writes.',
      claims: [
        within(curve, WHAT, 0.1, 5, 'points'),
        ...(byLikelihood === undefined
          ? []
          : [within(byLikelihood, `${WHAT}, by likelihood of the choices`, 0.1, 5, 'points')]),
        ...aboveH2i(curve, WHAT, 'points'),
        claim(
          'kvd at 20 % above h2a, which looks at the question (long-context questions)',
          curve.between('kvd', 'h2a', 0.2),
        ),
        claim(
          'uncompressed above the model without context by more than 20 points (long-context questions)',
          curve.between('full', 'none', 1),
          20,
        ),
        ...(least === undefined
          ? []
          : [
              claim(
                'kvd at the smallest ratio still above the model without context (long-context questions)',
                curve.between('kvd', 'none', least),
              ),
            ]),
      ],
      blocks: [
        ...curveBlocks(curve, 'Accuracy in %', [
          `The paper, QuALITY: ${published.text}; without context ${paper.join(', ')}.`,
        ]),
        ...furtherTable(
          byLikelihood,
          'Accuracy in % by the likelihoods of the choices instead of the letter',
        ),
      ],
    };
  },
};
