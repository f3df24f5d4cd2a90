/** Llama 2 and 3: pre-norm, SwiGLU, grouped-query attention, optional llama3 rope scaling. */
import { attentionBiases, defineArchitecture, plainPlan, separateProjections } from './architecture.js';

export const llama = defineArchitecture({
  name: 'llama',
  summary: 'Llama 2 and 3 (grouped-query attention, SwiGLU, llama3 rope scaling)',
  reference: 'transformers LlamaForCausalLM; arXiv 2407.21783',
  className: 'LlamaForCausalLM',
  defaults: {},
  plan: (config) => ({
    ...plainPlan(config),
    names: {
      ...separateProjections,
      mlpNorm: 'post_attention_layernorm.weight',
      ...attentionBiases(config),
    },
    window: () => undefined,
  }),
});
