/** Llama 2 and 3: pre-norm, SwiGLU, grouped-query attention, optional llama3 rope scaling. */
import { defineArchitecture, separateProjections, qkvBiasNames } from './architecture.js';

export const llama = defineArchitecture({
  name: 'llama',
  summary: 'Llama 2 and 3 (grouped-query attention, SwiGLU, llama3 rope scaling)',
  reference: 'transformers LlamaForCausalLM; arXiv 2407.21783',
  className: 'LlamaForCausalLM',
  tiedByDefault: false,
  plan: (config) => ({
    names: {
      ...separateProjections,
      mlpNorm: 'post_attention_layernorm.weight',
      ...(config.attentionBias ? { qkvBias: qkvBiasNames } : {}),
    },
    embeddingScale: 1,
    normOffset: 0,
    attentionScale: 1 / Math.sqrt(config.headDim),
    attentionSoftcap: undefined,
    logitSoftcap: undefined,
    activation: config.hiddenAct,
    window: () => undefined,
  }),
});
