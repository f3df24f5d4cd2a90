/** Mistral 7B and its like: Llama's layers, in version 0.1 with a sliding window in every one. */
import { defineArchitecture, plainPlan, separateProjections } from './architecture.js';

export const mistral = defineArchitecture({
  name: 'mistral',
  summary: 'Mistral (grouped-query attention, SwiGLU, sliding window where config.json has one)',
  reference: 'transformers MistralForCausalLM; arXiv 2310.06825',
  className: 'MistralForCausalLM',
  defaults: { sliding_window: 4096, num_key_value_heads: 8 },
  plan: (config) => ({
    ...plainPlan(config),
    names: { ...separateProjections, mlpNorm: 'post_attention_layernorm.weight' },
    window: () => config.slidingWindow,
  }),
});
