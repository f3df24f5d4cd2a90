"""Compares kvd's token ids with those of Python's `tokenizers` on a model folder.

    npm run build && pip install tokenizers
    python bench/peers/check_tokenizers.py MODEL_FOLDER [TEXT_FILE ...]

Each line of the text files is encoded by both, and so are the lines of test/golden/tokenizers/torture.json and a
thousand random strings of letters, marks, spaces, emoji and the tokenizer's own special tokens (seed 0). Special tokens
in the texts are recognised as tokens by both. Exits with 1 where any line differs.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent.parent
RANGES = [(32, 126), (9, 13), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0x97F),
          (0xE00, 0xE7F), (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0x1F300, 0x1F650)]


def random_lines(special, count=1000):
    chance = random.Random(0)

    def piece():
        if special and chance.random() < 0.05:
            return chance.choice(special)
        low, high = RANGES[0] if chance.random() < 0.5 else chance.choice(RANGES)
        return "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 6)))

    return ["".join(piece() for _ in range(chance.randint(1, 12))) for _ in range(count)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    added = tokenizer.get_added_tokens_decoder().values()
    lines = json.loads((ROOT / "test/golden/tokenizers/torture.json").read_text(encoding="utf-8"))
    lines += random_lines([token.content for token in added])
    for path in sys.argv[2:]:
        lines += Path(path).read_text(encoding="utf-8").split("\n")
    expected = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    command = ["node", str(ROOT / "bench/peers/token_ids.mjs"), str(folder)]
    done = subprocess.run(command, input=json.dumps(lines).encode(), stdout=subprocess.PIPE, check=True)
    ours = json.loads(done.stdout)
    differing = [i for i, ids in enumerate(expected) if ids != ours[i]]
    for i in differing[:20]:
        print(json.dumps(lines[i], ensure_ascii=False), "\n  tokenizers", expected[i], "\n  kvd       ", ours[i])
    print(f"{len(lines) - len(differing)} of {len(lines)} lines equal, {sum(map(len, expected))} tokens")
    sys.exit(1 if differing else 0)


main()
