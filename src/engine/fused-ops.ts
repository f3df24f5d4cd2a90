/** The ops that engine/kernels registers with TensorFlow: their tensors, attributes and gradients. */

export interface Op {
  /** Its name with TensorFlow. */
  op: string;
  /** Names of numbers that it takes besides tensors. */
  floats?: readonly string[];
  integers?: readonly string[];
  /** Length of its lists of tensors, where it has some. */
  lists?: number;
}

export interface DifferentiableOp extends Op {
  inputs: readonly string[];
  outputs: number;
  /** Inputs that are handed on as further, last outputs: what goes past the op then needs no sum of its own. */
  past?: readonly string[];
  /**
   * The op of the gradient: it gets some of the inputs (or what is given beside them for it alone) and some of the
   * outputs (true), then the slopes of the first `slopes` outputs and of `past`, and gives the gradients of the inputs
   * named `of`.
   */
  gradient: Op & {
    inputs: readonly string[];
    outputs: readonly boolean[];
    slopes: number;
    of: readonly string[];
    /** Inputs whose gradient is the first output's slope itself. */
    straight?: readonly string[];
  };
}

/** Names of the tensors of a list. */
function list(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}${i}`);
}

function adaptersOf(count: number): string[] {
  return [...list('route', count), ...list('a', count), ...list('b', count)];
}

/**
 * Attention to keys and values in `count` pieces, one behind the other.
 * @param kept whether keys and values have other uses, too: there is then one piece
 */
function attention(count: number, kept = false): DifferentiableOp {
  const rows = [...list('keys', count), ...list('values', count)];
  const common = {
    lists: count,
    floats: ['scale', 'softcap', 'window'],
    inputs: ['queries', 'queryPositions', 'keyPositions', ...rows],
  };
  return {
    op: 'KvdAttention',
    ...common,
    outputs: 2,
    ...(kept && { past: rows }),
    gradient: {
      op: kept ? 'KvdAttentionKeptGrad' : 'KvdAttentionGrad',
      ...common,
      outputs: [true, true, ...(kept ? [false, false] : [])],
      slopes: 1,
      of: ['queries', ...rows],
    },
  };
}

/** Low-rank adapters of `count` projections that share their input. */
function lora(count: number): DifferentiableOp {
  const adapters = adaptersOf(count);
  const common = { lists: count, floats: ['scale'] };
  return {
    op: 'KvdLora',
    ...common,
    inputs: ['x', 'base', ...adapters],
    outputs: 2,
    gradient: {
      op: 'KvdLoraGrad',
      ...common,
      inputs: ['x', ...adapters],
      outputs: [false, true],
      slopes: 1,
      of: ['x', ...adapters],
      straight: ['base'],
    },
  };
}

/**
 * RMSNorm of x (a constant unless gradients go `through` to it), a projection (`learned`, or frozen) with `count` low-rank
 * adapters, and rotary embedding.
 */
function project(count: number): DifferentiableOp {
  const adapters = adaptersOf(count);
  const common = { lists: count, floats: ['epsilon', 'scale'] };
  const table = ['cos', 'signedSin'];
  return {
    op: 'KvdProject',
    ...common,
    inputs: ['x', 'gain', 'weight', 'bias', ...table, 'panels', ...adapters],
    outputs: 5,
    past: ['x'],
    integers: ['batch', 'heads', 'kv_heads'],
    gradient: {
      op: 'KvdProjectGrad',
      ...common,
      integers: ['learned', 'through'],
      inputs: ['x', 'gain', 'weight', 'bias', ...table, 'backPanels', ...adapters],
      outputs: [false, false, false, true, true, false],
      slopes: 3,
      of: ['x', 'gain', 'weight', 'bias', ...adapters],
    },
  };
}

/** A projection (`learned`, or frozen) with `count` low-rank adapters, added to the residual stream. */
function output(count: number): DifferentiableOp {
  const adapters = adaptersOf(count);
  const common = { lists: count, floats: ['scale'] };
  return {
    op: 'KvdOutput',
    ...common,
    inputs: ['rows', 'weight', 'residual', 'panels', ...adapters],
    outputs: 2,
    gradient: {
      op: 'KvdOutputGrad',
      ...common,
      integers: ['learned'],
      inputs: ['rows', 'weight', 'backPanels', ...adapters],
      outputs: [false, true],
      slopes: 1,
      of: ['rows', 'weight', ...adapters],
      straight: ['residual'],
    },
  };
}

/**
 * A gated MLP around the residual stream. Its last output, as large as all else that the op reads and writes, is made only
 * where it is to be kept for the gradient (`keep`), which uses it up: it puts slopes in its place.
 */
const mlp = {
  op: 'KvdMlp',
  inputs: ['x', 'gain', 'gateUp', 'down', 'gateUpPanels', 'downPanels'],
  outputs: 3,
  floats: ['epsilon'],
  integers: ['gelu', 'keep'],
  gradient: {
    op: 'KvdMlpGrad',
    integers: ['gelu', 'learned'],
    inputs: ['x', 'gain', 'gateUp', 'down', 'gateUpBackPanels', 'downBackPanels'],
    outputs: [false, true, true],
    slopes: 1,
    of: ['x', 'gain', 'gateUp', 'down'],
  },
} as const;

/** By the names under which `fused` runs them. */
export const fusedOps = {
  KvdNorm: {
    op: 'KvdNorm',
    inputs: ['x', 'gain'],
    outputs: 2,
    floats: ['epsilon'],
    gradient: {
      op: 'KvdNormGrad',
      inputs: ['x', 'gain'],
      outputs: [false, true],
      slopes: 1,
      of: ['x', 'gain'],
    },
  },
  KvdGate: {
    op: 'KvdGate',
    inputs: ['gateUp'],
    outputs: 1,
    integers: ['gelu'],
    gradient: {
      op: 'KvdGateGrad',
      integers: ['gelu'],
      inputs: ['gateUp'],
      outputs: [],
      slopes: 1,
      of: ['gateUp'],
    },
  },
  KvdRotary: {
    op: 'KvdRotary',
    inputs: ['packed', 'cos', 'signedSin'],
    outputs: 3,
    integers: ['batch', 'heads', 'kv_heads'],
    gradient: { op: 'KvdRotaryGrad', inputs: ['cos', 'signedSin'], outputs: [], slopes: 3, of: ['packed'] },
  },
  KvdAttention1: attention(1),
  KvdAttention2: attention(2),
  KvdAttentionKept: attention(1, true),
  KvdStandardise: {
    op: 'KvdStandardise',
    inputs: ['scores', 'mask'],
    outputs: 3,
    floats: ['spread', 'bias'],
    gradient: {
      op: 'KvdStandardiseGrad',
      floats: ['spread', 'bias'],
      inputs: ['scores', 'mask'],
      outputs: [false, true, true],
      slopes: 1,
      of: ['scores'],
    },
  },
  KvdTakeRows: {
    op: 'KvdTakeRows',
    inputs: ['x', 'rows'],
    outputs: 1,
    gradient: { op: 'KvdTakeRowsGrad', inputs: ['x', 'rows'], outputs: [], slopes: 1, of: ['x'] },
  },
  KvdScaleRows: {
    op: 'KvdScaleRows',
    inputs: ['rows', 'factors'],
    outputs: 1,
    gradient: {
      op: 'KvdScaleRowsGrad',
      inputs: ['rows', 'factors'],
      outputs: [],
      slopes: 1,
      of: ['rows', 'factors'],
    },
  },
  KvdLora1: lora(1),
  KvdLora2: lora(2),
  KvdLora3: lora(3),
  KvdProduct: {
    op: 'KvdProduct',
    inputs: ['a', 'b'],
    outputs: 1,
    integers: ['transposed'],
    gradient: {
      op: 'KvdProductGrad',
      integers: ['transposed', 'learned', 'through'],
      inputs: ['a', 'b'],
      outputs: [],
      slopes: 1,
      of: ['a', 'b'],
    },
  },
  KvdProject0: project(0),
  KvdProject2: project(2),
  KvdProject3: project(3),
  KvdOutput0: output(0),
  KvdOutput1: output(1),
  KvdMlp: mlp,
} as const satisfies Record<string, DifferentiableOp>;

export type FusedOp = keyof typeof fusedOps;
