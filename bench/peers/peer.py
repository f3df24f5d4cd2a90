"""One piece of work on the peer's side: `peer.py NAME VARIANT REPETITIONS LEAST PATIENCE`; prints a line of JSON."""
import json
import os
import pathlib
import resource
import sys

import torch

from timing import measure
from works import WORKS

name, variant, repetitions, least, patience = sys.argv[1:6]
torch.set_num_threads(int(os.environ.get("BENCH_THREADS", len(os.sched_getaffinity(0)))))
torch.manual_seed(0)
shapes = json.loads((pathlib.Path(__file__).parent.parent / "shapes.json").read_text())
work = shapes["work"][name]
given = json.loads(pathlib.Path(sys.argv[6]).read_text()) if len(sys.argv) > 6 else shapes["models"][work["model"]]
measured = measure(WORKS[work["kind"]](work, given, variant), int(repetitions), float(least), float(patience))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({**measured, "peak": peak, "threads": torch.get_num_threads(), "torch": torch.__version__}))
