/** What `kvd init` writes. */
export const exampleExperiment = `# An experiment: one adapter distilled for one frozen model, compared with baselines.
# Check it with \`kvd validate\`, train with \`kvd train\`, evaluate with \`kvd eval\`.
name: my-experiment
seed: 1

# A folder in Hugging Face format, or the name of a shipped model (see \`kvd models list\`).
model: { name_or_path: llama-small }

# The method that is trained, with its options (see \`kvd methods list\`).
method:
  name: kvd
  eta: 2            # the scorer reads the residual stream after this many frozen layers
  n_sink: 1         # first tokens that always stay
  lora_r: 16        # rank of the rsLoRA adapters
  lora_alpha: 2     # scale = alpha / sqrt(r)

training:
  kl_forward_weight: 0.6      # λ: KL(teacher‖student) against KL(student‖teacher)
  learning_rate: 2.0e-3
  max_steps: 400
  micro_batch_size: 24
  retention_min: 0.001        # one adapter serves all ratios: each example draws one
  retention_max: 0.8
  retention_distribution: uniform
  retention_warmup_steps: 200 # keep everything at first: the scorer learns which rows help
  max_context_tokens: 160
  max_continuation_tokens: 64
  eval_steps: 100

data: { name: nano }

evaluation:
  task: nano-qa
  methods: [full, kvd, { name: h2a, n_sink: 1 }, { name: h2i, n_sink: 1 }]
  # Exactly one of retention, compression_ratio (removed), compression_factor, budget_tokens.
  retention: [0.25, 0.1]
  limit: 200

# Lists multiply; \`_\` holds values that move together.
# sweep:
#   seed: [1, 2, 3]
`;
