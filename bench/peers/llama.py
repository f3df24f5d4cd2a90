"""A Llama-shaped decoder in bare PyTorch, float32: fused projections, F.rms_norm, scaled_dot_product_attention."""
import torch
import torch.nn.functional as F

EPS = 1e-6


def rotary(positions, width):
    inverse = 1.0 / 10000 ** (torch.arange(0, width, 2).float() / width)
    angles = torch.outer(positions.float(), inverse)
    both = torch.cat([angles, angles], -1)
    return both.cos(), both.sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class Llama(torch.nn.Module):
    """Matrices as torch.nn.functional.linear wants them; embedding and head are one."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        h, f, d = shape["hidden"], shape["ffn"], shape["headDim"]
        queries, keys = shape["heads"] * d, shape["kvHeads"] * d

        def matrix(rows, columns):
            return torch.nn.Parameter(torch.randn(rows, columns) * columns**-0.5)

        self.embedding = matrix(shape["vocabulary"], h)
        self.final = torch.nn.Parameter(torch.ones(h))
        self.layers = torch.nn.ModuleList()
        for _ in range(shape["layers"]):
            layer = torch.nn.Module()
            layer.n1, layer.n2 = torch.nn.Parameter(torch.ones(h)), torch.nn.Parameter(torch.ones(h))
            layer.qkv, layer.o = matrix(queries + 2 * keys, h), matrix(h, queries)
            layer.gate_up, layer.down = matrix(2 * f, h), matrix(h, f)
            self.layers.append(layer)

    def heads(self, qkv, cos, sin):
        """Queries, keys and values [batch, heads, tokens, headDim]; the first two rotated."""
        s = self.shape
        batch, tokens = qkv.shape[:2]
        count = s["heads"] + 2 * s["kvHeads"]
        split = qkv.view(batch, tokens, count, s["headDim"]).transpose(1, 2)
        q, k, v = split.split([s["heads"], s["kvHeads"], s["kvHeads"]], 1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def attend(self, q, k, v, **mask):
        grouped = self.shape["heads"] != self.shape["kvHeads"]
        mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=grouped, **mask)
        return mixed.transpose(1, 2).flatten(2)

    def norm(self, x, gain):
        return F.rms_norm(x, (x.shape[-1],), gain, EPS)

    def mlp(self, layer, x):
        gate, up = F.linear(self.norm(x, layer.n2), layer.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def logits(self, x):
        return F.linear(self.norm(x, self.final), self.embedding)

    def forward(self, ids):
        """Logits of every token, causally."""
        x = F.embedding(ids, self.embedding)
        cos, sin = rotary(torch.arange(ids.shape[1]), self.shape["headDim"])
        for layer in self.layers:
            q, k, v = self.heads(F.linear(self.norm(x, layer.n1), layer.qkv), cos, sin)
            x = x + F.linear(self.attend(q, k, v, is_causal=True), layer.o)
            x = self.mlp(layer, x)
        return self.logits(x)

    def step(self, ids, caches, at, cos, sin):
        """Logits behind the last of `ids`, whose keys and values are written into `caches` from row `at` on."""
        x = F.embedding(ids, self.embedding)
        tokens = ids.shape[1]
        for layer, (keys, values) in zip(self.layers, caches):
            q, k, v = self.heads(F.linear(self.norm(x, layer.n1), layer.qkv), cos, sin)
            keys[:, :, at : at + tokens], values[:, :, at : at + tokens] = k, v
            mixed = self.attend(q, keys[:, :, : at + tokens], values[:, :, : at + tokens], is_causal=tokens > 1)
            x = self.mlp(layer, x + F.linear(mixed, layer.o))
        return self.logits(x[:, -1])

    def caches(self, batch, rows):
        s = self.shape
        size = (batch, s["kvHeads"], rows, s["headDim"])
        return [(torch.zeros(size), torch.zeros(size)) for _ in range(s["layers"])]
