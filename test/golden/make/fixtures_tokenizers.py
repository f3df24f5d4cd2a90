"""Makes test/golden/tokenizers: small tokenizer.json files in the shapes that the hub ships, and Python's ids.

Run with `tokenizers` 0.23: python test/golden/make/fixtures_tokenizers.py. Every tokenizer is trained on the torture text
itself, whose lines are then encoded with and without the special tokens of the post-processor, and with special tokens taken as text.
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = Path(__file__).resolve().parent.parent / "tokenizers"
LINES = json.loads((OUT / "torture.json").read_text(encoding="utf-8"))

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def special(text, **options):
    return AddedToken(text, special=True, normalized=False, **options)


def byte_level(pattern, normalizer=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pattern is LLAMA3))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        split = pre_tokenizers.Split(Regex(pattern), "isolated", invert=False)
        rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, rest])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def sentencepiece_bpe():
    """A BPE over characters with ▁ for spaces and single bytes of what it does not know, trained as such."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=900, show_progress=False, special_tokens=["<unk>", "<s>", "</s>", *bytes_], limit_alphabet=120
    )
    # Without a pre-tokenizer a whole line would be one word, which makes merges across words as the hub's files have.
    tokenizer.train_from_iterator((word for line in LINES for word in line.split("\n")), trainer)
    made = json.loads(tokenizer.to_str())
    # Bytes are tokens of the model, not added tokens.
    made["added_tokens"] = [token for token in made["added_tokens"] if not token["content"].startswith("<0x")]
    return made


def sentencepiece_decoder(strip):
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*parts, decoders.Strip(" ", 1, 0)] if strip else parts)


def template(bos, bos_id, eos=None, eos_id=None):
    tail = f" {eos}:0" if eos else ""
    pairs = [(bos, bos_id)] + ([(eos, eos_id)] if eos else [])
    return processors.TemplateProcessing(
        single=f"{bos}:0 $A:0{tail}", pair=f"{bos}:0 $A:0{tail} $B:1", special_tokens=pairs
    )


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=500, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer.train_from_iterator(LINES[:60], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer, {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def llama3():
    tokenizer = byte_level(LLAMA3)
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eot_id"]
    tokenizer.add_special_tokens([special(f"<|{name}|>") for name in names])
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|>", bos)]
    )
    return tokenizer, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}


def qwen2():
    tokenizer = byte_level(QWEN2, normalizers.NFC())
    tokenizer.add_special_tokens([special(f"<|{name}|>") for name in ["endoftext", "im_start", "im_end"]])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False, special=False)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}


def gpt2():
    tokenizer = byte_level(None)
    tokenizer.add_special_tokens([special("<|endoftext|>")])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}


def from_dict(made, **changes):
    return Tokenizer.from_str(json.dumps({**made, **changes}))


def llama2():
    tokenizer = from_dict(sentencepiece_bpe())
    tokenizer.decoder = sentencepiece_decoder(strip=True)
    tokenizer.post_processor = template("<s>", 1)
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": False}


def mistral():
    """As converted of late: a Metaspace pre-tokenizer that leaves the text whole, no normaliser."""
    tokenizer = from_dict(sentencepiece_bpe(), normalizer=None)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = sentencepiece_decoder(strip=True)
    tokenizer.post_processor = template("<s>", 1)
    tokenizer.add_special_tokens([special("[INST]"), special("[/INST]")])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}


def phi3():
    """Llama-2's, with added tokens that take the white space after them."""
    tokenizer = from_dict(sentencepiece_bpe())
    tokenizer.decoder = sentencepiece_decoder(strip=True)
    names = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    tokenizer.add_special_tokens([special(name, rstrip=True) for name in names])
    return tokenizer, {"bos_token": "<s>", "eos_token": "<|endoftext|>", "add_bos_token": False}


def gemma():
    tokenizer = from_dict(sentencepiece_bpe())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = sentencepiece_decoder(strip=False)
    tokenizer.post_processor = template("<s>", 1)
    tokenizer.add_special_tokens([special("<start_of_turn>"), special("<end_of_turn>")])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("▁▁", normalized=False)])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}


def main():
    makers = [llama3, qwen2, gpt2, llama2, mistral, phi3, gemma, unigram]
    for maker in makers:
        tokenizer, config = maker()
        folder = OUT / maker.__name__
        folder.mkdir(parents=True, exist_ok=True)
        made = json.loads(tokenizer.to_str())
        (folder / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        bare = [tokenizer.encode(line, add_special_tokens=False).ids for line in LINES]
        decoded = [tokenizer.decode(ids) for ids in bare]
        whole = [tokenizer.encode(line).ids for line in LINES]
        # Special tokens as text: what a document may hold without being obeyed.
        tokenizer.encode_special_tokens = True
        reference = {
            "bare": bare,
            "plain": [tokenizer.encode(line, add_special_tokens=False).ids for line in LINES],
            "whole": whole,
            "decoded": decoded,
        }
        (folder / "reference.json").write_text(json.dumps(reference, ensure_ascii=False), encoding="utf-8")
        print(maker.__name__, tokenizer.get_vocab_size(), sum(map(len, bare)))


main()
