"""How far ours is from the reference: runs tests/golden and writes the table in docs/parity.md.

    python benchmarks/parity.py [--golden DIR] [--check]

Each row is one recorded file: what it proves, how many tensors were compared, and the largest difference in units of
max(1, largest recorded value) (of the largest recorded value alone for losses and gradients). Prints the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.golden.manifest import PROVES  # noqa: E402

BEGIN, END = "<!-- parity table: benchmarks/parity.py -->\n", "<!-- end of parity table -->\n"


def measure(golden: Path) -> dict[str, dict[str, float]]:
    """Largest difference of every tensor of every file, from one run of tests/golden."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "parity.json"
        environment = os.environ | {"V2V_PARITY": str(report), "V2V_GOLDEN": str(golden)}
        command = [sys.executable, "-m", "pytest", "-q", "tests/golden"]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=sys.stderr, check=False)
        if not report.is_file():
            raise SystemExit("tests/golden left no report: are there recordings? give --golden")
        if done.returncode:
            print("some comparisons failed; see above", file=sys.stderr)
        found: dict[str, dict[str, float]] = json.loads(report.read_text())
        return found


def table(errors: dict[str, dict[str, float]]) -> str:
    """The Markdown table."""
    rows = ["| file | what it proves | compared | largest difference |", "|---|---|---:|---:|"]
    for name, proves in PROVES.items():
        each = errors.get(name)
        worst = "not compared" if each is None else "0" if max(each.values()) == 0 else f"{max(each.values()):.1e}"
        rows.append(f"| `{name}` | {proves} | {len(each or {})} | {worst} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, default=REPOSITORY.parent / "shared" / "golden")
    parser.add_argument("--check", action="store_true", help="measure only; leave docs/parity.md as it is")
    given = parser.parse_args(arguments)
    if not given.golden.is_dir():
        print(json.dumps({"skipped": f"there are no recordings in {given.golden}: give --golden"}))
        return
    errors = measure(given.golden.resolve())
    print(json.dumps({name: max(each.values()) for name, each in errors.items()}, indent=1))
    if not given.check:
        page = REPOSITORY / "docs" / "parity.md"
        before, _, rest = page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(before + BEGIN + "\n" + table(errors) + "\n" + END + after)


if __name__ == "__main__":
    main()
