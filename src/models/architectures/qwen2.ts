/** Qwen-2 and 2.5: Llama's layers with biases on queries, keys and values. */
import {
  defineArchitecture,
  plainPlan,
  qkvBiasNames,
  separateProjections,
  switchedWindow,
} from './architecture.js';

export const qwen2 = defineArchitecture({
  name: 'qwen2',
  summary: 'Qwen-2 and 2.5 (biases on queries, keys and values)',
  reference: 'transformers Qwen2ForCausalLM; arXiv 2412.15115',
  className: 'Qwen2ForCausalLM',
  defaults: {},
  plan: (config) => ({
    ...plainPlan(config),
    names: { ...separateProjections, mlpNorm: 'post_attention_layernorm.weight', qkvBias: qkvBiasNames },
    window: switchedWindow(config),
  }),
});
