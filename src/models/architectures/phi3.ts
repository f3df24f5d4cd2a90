/** Phi-3: Llama's layers with queries, keys and values in one matrix, gate and up in another. */
import { defineArchitecture, plainPlan } from './architecture.js';

export const phi3 = defineArchitecture({
  name: 'phi3',
  summary: 'Phi-3 (fused projections, sliding window where config.json has one)',
  reference: 'transformers Phi3ForCausalLM; arXiv 2404.14219',
  className: 'Phi3ForCausalLM',
  defaults: { rms_norm_eps: 1e-5 },
  plan: (config) => ({
    ...plainPlan(config),
    names: {
      inputNorm: 'input_layernorm.weight',
      qkv: ['self_attn.qkv_proj.weight'],
      attentionOut: 'self_attn.o_proj.weight',
      mlpNorm: 'post_attention_layernorm.weight',
      gateUp: ['mlp.gate_up_proj.weight'],
      mlpDown: 'mlp.down_proj.weight',
    },
    window: () => config.slidingWindow,
  }),
});
