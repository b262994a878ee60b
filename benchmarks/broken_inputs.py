"""Does `v2v convert` survive broken files? Prints JSON.

Mutates ten small videos (bit flips, truncation, swapped, dropped and repeated boxes, lying lengths, noise; seeded) and
converts each with a tiny model. The claim: no traceback, no hang over 10 s, no bad or partial file under the final
name, and an exit code from the table. ``--cases FIRST LAST`` repeats a part of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["PYTHONPATH"] = sys.path[0]  # for the process that converts

from tests.engine.broken_inputs import Fate, fates
from tests.engine.material import save_painter


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, nargs=2, default=(0, 2000), metavar=("FIRST", "LAST"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-v", action="store_true", help="print what became of each")
    arguments = parser.parse_args()
    seen: list[Fate] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_painter(folder / "tiny.safetensors")
        for fate in fates(folder, model, range(*arguments.cases), arguments.seed):
            seen.append(fate)
            if arguments.v or fate.wrong:
                last = (fate.said.splitlines() or [""])[-1]
                print(
                    f"{fate.case}: {fate.code} {fate.cpu:.2f} s {fate.wrong or ''} {last}", file=sys.stderr, flush=True
                )
    report = {
        "benchmark": "broken inputs",
        "files": len(seen),
        "seed": arguments.seed,
        "codes": {str(code): count for code, count in Counter(fate.code for fate in seen).most_common()},
        "slowest_s": round(max(fate.cpu for fate in seen), 2),
        "slowest_by_the_clock_s": round(max(fate.wall for fate in seen), 2),
        "wrong": {fate.case: fate.wrong for fate in seen if fate.wrong},
    }
    print(json.dumps(report, indent=2))
    sys.exit(0 if not report["wrong"] else 1)


if __name__ == "__main__":
    main()
