/** Gemma-2: four norms a layer, soft-capped attention and logits, alternating sliding windows. */
import { defineArchitecture, separateProjections } from './architecture.js';

export const gemma2 = defineArchitecture({
  name: 'gemma2',
  summary: 'Gemma-2 (soft-capping, alternating sliding windows, four norms a layer)',
  reference: 'transformers Gemma2ForCausalLM; arXiv 2408.00118',
  className: 'Gemma2ForCausalLM',
  defaults: { tie_word_embeddings: true },
  plan: (config) => ({
    names: {
      ...separateProjections,
      postAttentionNorm: 'post_attention_layernorm.weight',
      mlpNorm: 'pre_feedforward_layernorm.weight',
      postMlpNorm: 'post_feedforward_layernorm.weight',
    },
    // Transformers rounds the normaliser to the model's dtype: float32 here.
    embeddingScale: Math.fround(Math.sqrt(config.hiddenSize)),
    normOffset: 1,
    attentionScale: (config.queryPreAttnScalar ?? config.headDim) ** -0.5,
    attentionSoftcap: config.attnLogitSoftcapping,
    logitSoftcap: config.finalLogitSoftcapping,
    activation: config.hiddenAct,
    // Files from before transformers 4.53 carry no layer_types: even layers slide.
    window: (layer) => {
      const type = config.layerTypes?.[layer] ?? (layer % 2 === 0 ? 'sliding_attention' : 'full_attention');
      return type === 'sliding_attention' ? config.slidingWindow : undefined;
    },
  }),
});
