/** Which of our tasks stand for which of the paper's datasets: the nano task, and the reader of the real files. */
export const DOMAINS = {
  SQuAD: ['nano-qa', 'squad'],
  QuALITY: ['nano-long-qa', 'quality'],
  SQuALITY: ['nano-squality', 'squality'],
  GovReport: ['nano-govreport', 'govreport'],
  needle: ['nano-needle', 'needle'],
} as const;
