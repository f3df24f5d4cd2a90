"""The same pieces of work as bench/ours, in PyTorch, Transformers and kvpress. Each gives a function to be timed."""
import torch
import torch.nn.functional as F

from distill import distill
from llama import Llama, rotary


def _maybe_compiled(function, variant):
    return torch.compile(function) if variant == "compile" else function


def pretrain(work, shape, variant):
    model = Llama(shape)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    ids = torch.randint(0, shape["vocabulary"], (work["batch"], work["tokens"]))
    labels = torch.randint(0, shape["vocabulary"], (work["batch"] * work["tokens"],))
    forward = _maybe_compiled(model, variant)

    def run():
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward(ids).flatten(0, 1), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimiser.step()
        loss.item()

    return run


def prefill(work, shape, variant):
    model = Llama(shape).eval()
    ids = torch.randint(0, shape["vocabulary"], (1, work["tokens"]))
    caches = model.caches(1, work["tokens"])
    cos, sin = rotary(torch.arange(work["tokens"]), shape["headDim"])
    step = _maybe_compiled(model.step, variant)

    def run():
        with torch.inference_mode():
            step(ids, caches, 0, cos, sin).argmax(-1).tolist()

    return run


def decode(work, shape, variant):
    rows, batch, new = work.get("kept", work["rows"]), work["batch"], work["new"]
    if variant == "transformers":
        return _generate(shape, batch, rows, new)
    model = Llama(shape).eval()
    caches = model.caches(batch, rows + new)
    tables = [rotary(torch.arange(work["rows"] + i, work["rows"] + i + 1), shape["headDim"]) for i in range(new)]
    step = _maybe_compiled(model.step, variant)

    def run():
        with torch.inference_mode():
            token = torch.full((batch, 1), 3)
            for i, (cos, sin) in enumerate(tables):
                token = step(token, caches, rows + i, cos, sin).argmax(-1, keepdim=True)
                token.tolist()

    return run


def hugging_face(shape):
    """Transformers' own model of this shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=shape["hidden"],
        intermediate_size=shape["ffn"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kvHeads"],
        head_dim=shape["headDim"],
        vocab_size=shape["vocabulary"],
        max_position_embeddings=16384,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval()


def _generate(shape, batch, rows, new):
    """`generate` behind a cache that is already filled: `new` tokens, greedily."""
    from transformers import DynamicCache

    model = hugging_face(shape)
    ids = torch.randint(3, shape["vocabulary"], (batch, rows + 1))
    cache = DynamicCache()
    with torch.inference_mode():
        model(ids[:, :rows], past_key_values=cache, logits_to_keep=1)

    def run():
        with torch.inference_mode():
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=cache,
                do_sample=False,
                min_new_tokens=new,
                max_new_tokens=new,
                pad_token_id=0,
            )
            cache.crop(rows)

    return run


def compress(work, shape, variant):
    import kvpress
    from transformers import DynamicCache

    model = hugging_face(shape)
    ids = torch.randint(3, shape["vocabulary"], (1, work["tokens"]))
    press = getattr(kvpress, work["press"])(compression_ratio=1 - work["kept"] / work["tokens"])

    def run():
        with torch.inference_mode(), press(model):
            model.model(ids, past_key_values=DynamicCache())

    return run


def evaluate(work, samples, variant):
    """Each context compressed by kvpress once, then its question and a greedy answer; kvpress takes no batches."""
    import copy

    import kvpress
    from transformers import AutoModelForCausalLM, DynamicCache

    model = AutoModelForCausalLM.from_pretrained(samples["folder"], dtype=torch.float32).eval()
    presses = []
    for press in work["presses"]:
        options = {key: value for key, value in press.items() if key != "name"}
        presses.append(getattr(kvpress, press["name"])(compression_ratio=1 - work["retention"], **options))

    def answer(cache, length, question):
        ids = torch.tensor([question])
        for i in range(work["new"]):
            positions = torch.arange(length, length + ids.shape[1])[None]
            out = model(ids, past_key_values=cache, position_ids=positions, logits_to_keep=1)
            length += ids.shape[1]
            ids = out.logits[:, -1:].argmax(-1)
            if ids.item() == samples["eos"]:
                break

    def run():
        with torch.inference_mode():
            for press in presses:
                before, cache = None, None
                for sample in samples["samples"]:
                    if sample["context"] != before:
                        before, cache = sample["context"], DynamicCache()
                        with press(model):
                            model.model(torch.tensor([before]), past_key_values=cache)
                    answer(copy.deepcopy(cache), len(before), sample["question"])

    return run


WORKS = {
    "distill": distill,
    "pretrain": pretrain,
    "prefill": prefill,
    "decode": decode,
    "compress": compress,
    "evaluate": evaluate,
}
