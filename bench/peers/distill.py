"""A step of KV-Distill (arXiv 2503.10337) as kvd takes it: teacher, scorer, routed encoder, student, backward, AdamW."""
import torch
import torch.nn.functional as F

from llama import Llama, rotary, rotate


class Adapter(torch.nn.Module):
    def __init__(self, shape, rank):
        super().__init__()
        h, d = shape["hidden"], shape["headDim"]
        outs = {"q": shape["heads"] * d, "k": shape["kvHeads"] * d, "v": shape["kvHeads"] * d}
        self.a, self.b = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        for i in range(shape["layers"]):
            last = i == shape["layers"] - 1
            for name in "kv" if last else "qkvo":
                rows, columns = (outs["q"], h) if name == "o" else (h, outs[name])
                self.a[f"{i}{name}"] = torch.nn.Parameter(torch.randn(rank, rows) * rows**-0.5)
                self.b[f"{i}{name}"] = torch.nn.Parameter(torch.zeros(columns, rank))
        self.hidden = torch.nn.Parameter(torch.randn(h, h) * h**-0.5)
        self.output = torch.nn.Parameter(torch.randn(1, h) * h**-0.5)
        self.scale = 2 / rank**0.5

    def delta(self, x, name, route=None):
        low = F.linear(x, self.a[name])
        if route is not None:
            low = low * route
        return F.linear(low, self.b[name]) * self.scale


def scores_of(adapter, hidden):
    raw = F.linear(F.relu(F.linear(hidden, adapter.hidden)), adapter.output)[..., 0]
    rest = raw[:, 1:]  # without the sink
    return 2 * (raw - rest.mean(1, keepdim=True)) / (rest.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()


def encode(model, x, cos, sin, adapter=None, route=None, eta=None):
    """Keys and values of each layer, and the residual stream after `eta` layers."""
    keys, values, below = [], [], None
    s = model.shape
    sizes = [s["heads"] * s["headDim"], s["kvHeads"] * s["headDim"], s["kvHeads"] * s["headDim"]]
    for i, layer in enumerate(model.layers):
        if i == eta:
            below = x
        h = model.norm(x, layer.n1)
        if i == s["layers"] - 1:  # of the last layer only keys and values
            kv = F.linear(h, layer.qkv[sizes[0] :])
            if adapter is not None:
                kv = kv + torch.cat([adapter.delta(h, f"{i}k"), adapter.delta(h, f"{i}v")], -1)
            k, v = kv.view(*kv.shape[:2], 2 * s["kvHeads"], s["headDim"]).transpose(1, 2).chunk(2, 1)
            return keys + [rotate(k, cos, sin)], values + [v], below
        qkv = F.linear(h, layer.qkv)
        if adapter is not None:
            deltas = [adapter.delta(h, f"{i}q", route), adapter.delta(h, f"{i}k"), adapter.delta(h, f"{i}v")]
            qkv = qkv + torch.cat(deltas, -1)
        q, k, v = model.heads(qkv, cos, sin)
        mixed = model.attend(q, k, v, is_causal=True)
        out = F.linear(mixed, layer.o)
        if adapter is not None:
            out = out + adapter.delta(mixed, f"{i}o", route)
        keys.append(k)
        values.append(v)
        x = model.mlp(layer, x + out)
    return keys, values, below


def speak(model, ids, cos, sin, keys, values, targets):
    """Logits at the targets, behind a cache that all of it is visible of."""
    x = F.embedding(ids, model.embedding)
    rows, tokens = keys[0].shape[2], ids.shape[1]
    mask = torch.ones(tokens, rows + tokens, dtype=torch.bool).tril(rows)
    for layer, past_keys, past_values in zip(model.layers, keys, values):
        q, k, v = model.heads(F.linear(model.norm(x, layer.n1), layer.qkv), cos, sin)
        k, v = torch.cat([past_keys, k], 2), torch.cat([past_values, v], 2)
        mixed = model.attend(q, k, v, attn_mask=mask)
        if layer is model.layers[-1]:  # its output is needed at the targets alone
            x, mixed = x[:, targets], mixed[:, targets]
        x = model.mlp(layer, x + F.linear(mixed, layer.o))
    return model.logits(x.flatten(0, 1))


def mixed_kl(teacher, student, forward):
    p, q = teacher.log_softmax(-1), student.log_softmax(-1)
    divergence = forward * (p.exp() * (p - q)).sum(-1) + (1 - forward) * (q.exp() * (q - p)).sum(-1)
    return divergence.mean()


def distill(work, shape, variant):
    model = Llama(shape).requires_grad_(False)
    adapter = Adapter(shape, work["rank"])
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    batch, context, continuation = work["batch"], work["context"], work["continuation"]
    contexts = torch.randint(3, shape["vocabulary"], (batch, context))
    spoken = torch.randint(3, shape["vocabulary"], (batch, continuation))
    targets = torch.arange(continuation // 2 - 1, continuation - 1)
    before = rotary(torch.arange(context), shape["headDim"])
    behind = rotary(torch.arange(context, context + continuation), shape["headDim"])
    head = (batch, shape["kvHeads"], work["kept"], shape["headDim"])

    def loss_of():
        embedded = F.embedding(contexts, model.embedding)
        with torch.no_grad():
            keys, values, below = encode(model, embedded, *before, eta=work["eta"])
            said = speak(model, spoken, *behind, keys, values, targets)
        scores = scores_of(adapter, below)
        with torch.no_grad():
            ranked = scores.clone()
            ranked[:, 0] = 1e30
            chosen = ranked.topk(work["kept"], -1).indices
            route = torch.zeros_like(scores).scatter_(1, chosen, 1.0)[..., None]
        keys, values, _ = encode(model, embedded, *before, adapter=adapter, route=route)
        gate = scores.sigmoid()[:, None, :, None]
        rows = chosen[:, None, :, None].expand(head)
        kept_keys = [(k * gate).gather(2, rows) for k in keys]
        kept_values = [v.gather(2, rows) for v in values]
        return mixed_kl(said, speak(model, spoken, *behind, kept_keys, kept_values, targets), 0.6)

    loss_function = torch.compile(loss_of) if variant == "compile" else loss_of

    def run():
        optimiser.zero_grad(set_to_none=True)
        loss = loss_function()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapter.parameters(), 1.0, foreach=True)
        optimiser.step()
        loss.item()

    return run
