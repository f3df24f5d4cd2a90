/** Qwen-3: queries and keys of each head are normed before they are rotated. */
import {
  attentionBiases,
  defineArchitecture,
  plainPlan,
  separateProjections,
  switchedWindow,
} from './architecture.js';

export const qwen3 = defineArchitecture({
  name: 'qwen3',
  summary: 'Qwen-3 (normed queries and keys)',
  reference: 'transformers Qwen3ForCausalLM; arXiv 2505.09388',
  className: 'Qwen3ForCausalLM',
  defaults: { head_dim: 128 },
  plan: (config) => ({
    ...plainPlan(config),
    names: {
      ...separateProjections,
      queryNorm: 'self_attn.q_norm.weight',
      keyNorm: 'self_attn.k_norm.weight',
      mlpNorm: 'post_attention_layernorm.weight',
      ...attentionBiases(config),
    },
    window: switchedWindow(config),
  }),
});
