"""Makes test/golden/peft: PEFT adapters on the models of test/golden, as users of PEFT make them, and their logits.

Run with torch 2.15, transformers 5.23, peft 0.21: python test/golden/make/fixtures_peft.py
"""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parent.parent
QKVO = ["q_proj", "k_proj", "v_proj", "o_proj"]
# What differs: fused modules, both scales, some modules or layers only, ranks and alphas of their own.
CASES = {
    "mistral-sw16": ("mistral-sw16", dict(r=3, lora_alpha=5, use_rslora=False, target_modules=QKVO)),
    "qwen2": ("qwen2", dict(r=2, lora_alpha=4, use_rslora=True, target_modules=["q_proj", "v_proj"])),
    "qwen3": (
        "qwen3",
        dict(
            r=2,
            lora_alpha=4,
            use_rslora=True,
            target_modules=QKVO,
            rank_pattern={"k_proj": 4},
            alpha_pattern={"self_attn.o_proj": 1.5},
        ),
    ),
    "phi3": ("phi3", dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["qkv_proj", "o_proj"])),
    "phi3-layers": (
        "phi3",
        dict(r=2, lora_alpha=3, use_rslora=False, target_modules=["qkv_proj"], layers_to_transform=[1, 3]),
    ),
    "gemma2": ("gemma2", dict(r=2, lora_alpha=4, use_rslora=True, target_modules=QKVO)),
}


def main():
    ids = torch.arange(24).mul(37).add(11).remainder(100).reshape(1, 24)
    for name, (base, settings) in CASES.items():
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_pretrained(GOLDEN / base, attn_implementation="eager", dtype=torch.float32)
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
        for key, value in model.named_parameters():
            if "lora_" in key:
                value.data = torch.randn_like(value) * 0.1
        folder = GOLDEN / "peft" / name
        model.save_pretrained(folder)
        with torch.no_grad():
            logits = model(ids).logits
        with model.disable_adapter(), torch.no_grad():
            plain = model(ids).logits
        save_file({"input_ids": ids.int(), "logits": logits[0].contiguous()}, folder / "reference.safetensors")
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = base
        config["target_modules"] = sorted(config["target_modules"])
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
        (folder / "README.md").unlink(missing_ok=True)
        print(name, "changes logits by", (logits - plain).abs().max().item())


main()
