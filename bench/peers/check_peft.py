"""Loads a kvd adapter with PEFT and compares its logits with kvd's own.

    npm run build && pip install torch transformers peft
    python bench/peers/check_peft.py MODEL_FOLDER [ADAPTER_FOLDER]

Without an adapter kvd makes one with random matrices. The context is encoded with the LoRA everywhere, which is what
PEFT can do; conditional routing is kvd's. Exits with 1 where a logit differs by more than 1e-3 of 1 + its size.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

HERE = Path(__file__).resolve().parent


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = sys.argv[1]
    adapter = sys.argv[2] if len(sys.argv) == 3 else tempfile.mkdtemp()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    ids = [(i * 37 + 11) % min(100, model.config.vocab_size) for i in range(24)]
    command = ["node", str(HERE / "adapter_logits.mjs"), folder, adapter, json.dumps(ids)]
    ours = torch.tensor(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    with torch.no_grad():
        plain = model(torch.tensor([ids])).logits[0]
        theirs = PeftModel.from_pretrained(model, adapter).eval()(torch.tensor([ids])).logits[0]
    difference = ((ours - theirs).abs() / (1 + theirs.abs())).max().item()
    print(f"the adapter changes logits by up to {(theirs - plain).abs().max().item():.3g}")
    print(f"kvd and PEFT differ by at most {difference:.2g} of 1 + the logit's size")
    sys.exit(0 if difference <= 1e-3 else 1)


main()
