"""Does `v2v convert` keep all of a file but its pictures? Writes docs/conformance.md, prints JSON.

Every file is converted with a model that copies (`tests.engine.pass_through`) and the output held against the input:
first without loss (FFV1 in RGB, or where it is refused x264 in RGB), all columns; then as it comes, with the defaults
of the input's own extension, all columns but the pixels. Files: the generated ones of
`tests.engine.identity_material`, and those of a folder of odd real files with a manifest.json that says how far each of
them decodes (``--clips``; default $V2V_CLIPS or ../shared/clips beside the repository).

What is peculiar: a file that cannot be decoded is right when it is refused in one line as an unreadable input, and one
that can be decoded in part when it is refused too, and converted that far with ``--tolerant``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402

import v2vcli  # noqa: E402
from tests.engine.identity import COLUMNS, ENOUGH, Row, compare  # noqa: E402
from tests.engine.identity_material import FIXTURES, KNOWN  # noqa: E402
from tests.engine.pass_through import passing_through  # noqa: E402
from tests.video.made import Maker  # noqa: E402
from v2vcli.errors import InputError, V2VError  # noqa: E402

PAGE = REPOSITORY / "docs" / "conformance.md"
AS_IT_COMES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".flv")
PICTURES = (".png", ".jpg", ".jpeg")
FFV1 = {"codec": "ffv1", "pix_fmt": "bgr0"}
X264_RGB = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0}


@dataclass
class Case:
    """One file, and what became of it."""

    name: str
    what: str
    source: Path
    target: str
    lossless: dict[str, Any]
    status: str = "OK"
    least: int = 0
    row: Row = field(default_factory=Row)
    plain: str = ""

    @property
    def good(self) -> bool:
        """Nothing is wrong with it."""
        return not self.row.wrong


def generated(folder: Path) -> Iterator[Case]:
    """The fixtures, written into a folder."""
    for name, fixture in FIXTURES.items():
        place = folder / name
        place.mkdir()
        yield Case(name, fixture.what, fixture.make(Maker(place)), fixture.target, fixture.lossless)


def real(folder: Path) -> Iterator[Case]:
    """The files of a folder with a manifest."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name, entry in sorted(manifest.items()):
        known = entry.get("pyav18", {})
        target = ".mkv" if name.endswith((".mkv", ".webm")) else ".mp4"
        status = known.get("status") or "FOLDER"
        yield Case(name, entry.get("note", ""), folder / name, target, FFV1, status, known.get("frames") or 0)


def examine(case: Case, folder: Path) -> None:
    """Convert a file both ways and note what came of it."""
    with tempfile.TemporaryDirectory(dir=folder) as name, passing_through(folder) as options:
        place = Path(name)
        try:
            _convert_and_compare(case, place, options)
        except V2VError as error:
            if case.status == "OK" or not isinstance(error, InputError) or "\n" in str(error):
                case.row.wrong.append(f"refused: {error}")
            case.row.notes.insert(0, "refused")
        except Exception as error:
            traceback.print_exc()
            case.row.wrong.append(f"{type(error).__name__}: {error}")


def _convert_and_compare(case: Case, place: Path, options: dict[str, Any]) -> None:
    tolerant = False
    if case.status == "PARTIAL":
        try:
            v2vcli.convert(case.source, place / f"strict{case.target}", **options, **FFV1)
            case.row.wrong.append("damage was not noticed")
        except InputError:
            tolerant = True
    target = place / f"out{case.target}"
    try:
        result = v2vcli.convert(case.source, target, tolerant=tolerant, **options, **case.lossless)
    except V2VError as error:
        if "ffv1 refuses" not in str(error):
            raise
        result = v2vcli.convert(case.source, target, tolerant=tolerant, **options, **X264_RGB)
        case.row.notes.append("kept in x264's RGB")
    if case.source.is_dir():  # numbered pictures: nothing to hold times and tags against
        held = sum(path.suffix.lower() in PICTURES for path in case.source.iterdir())
        case.row.put("frames", result.progress.frames == held, f"{result.progress.frames} of {held}")
        case.row.notes.append("pictures: only their number is looked at")
        return
    before, first = case.row, case.least if tolerant else None
    case.row = compare(case.source, target, first=first)
    case.row.wrong[:0], case.row.notes[:0] = before.wrong, before.notes
    if tolerant:
        case.row.notes.append("damaged: refused, and converted so far with --tolerant")
    if result.progress.frames < case.least:
        case.row.wrong.append(f"frames: {result.progress.frames} of the {case.least} that decode")
    suffix = case.source.suffix if case.source.suffix in AS_IT_COMES else ".mp4"
    plain = place / f"plain{suffix}"
    result = v2vcli.convert(case.source, plain, tolerant=tolerant, preset="ultrafast", **options)
    wrong = compare(case.source, plain, pixels=False, first=first).wrong
    case.plain = "same" if not wrong else "; ".join(wrong)
    if wrong and not any("keeps no exact times" in line or "cannot hold" in line for line in result.warnings):
        case.plain += " (without a warning)"


def table(cases: list[Case]) -> list[str]:
    """Markdown, one line a file."""
    columns = ["file", "what it is", *COLUMNS, "verdict", "as it comes"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for case in cases:
        verdict = ["ok" if case.good else f"**fails**: {'; '.join(case.row.wrong)}", *case.row.notes]
        cells = [case.name, case.what, *(case.row.cells.get(column, "") for column in COLUMNS)]
        cells += ["; ".join(verdict), case.plain]
        lines.append("| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |")
    return lines


def page(made: list[Case], found: list[Case]) -> str:
    """All of docs/conformance.md."""
    total = made + found
    lines = [
        "# Conformance: what a conversion keeps",
        "",
        "Made by `python benchmarks/conformance.py`; do not edit. Every file goes through `convert` with a model that",
        "copies, and the output is held against the input as PyAV and floating-point arithmetic read it, not v2v.",
        "",
        "- First without loss (FFV1 in RGB) into .mp4, or .mkv where the input is Matroska: columns *frames* to",
        f"  *verdict*. *PSNR* is that of the worst frame and has to be above {ENOUGH:g} dB; 58.9 dB is the most that",
        "  8 bits of RGB can have of a YUV picture. Times are exact in .mp4; Matroska counts milliseconds, and half of",
        "  one is allowed.",
        "- Then *as it comes*: the same extension as the input's (.mp4 where v2v writes no such file), default",
        "  encoder; everything but the pixels has to be the same again.",
        "- What cannot be decoded has to be refused in one line as an unreadable input (exit code 5).",
        "",
        f"{sum(case.good for case in total)} of {len(total)} hold; {sum(case.plain == 'same' for case in total)} of"
        f" {sum(bool(case.plain) for case in total)} are the same as they come.",
        "",
        *(f"- {case.name}: {KNOWN.get(case.name, 'not understood yet')}" for case in total if not case.good),
        "",
        "## Generated files",
        "",
        *table(made),
    ]
    if found:
        lines += ["", "## Real files", "", "Odd files from public test suites; they are not part of the project.", ""]
        lines += table(found)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("V2V_CLIPS") or REPOSITORY.parent / "shared" / "clips"
    parser.add_argument("--clips", type=Path, default=Path(default), help="folder with torture/manifest.json")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--only", nargs="*", default=[], help="names of files; nothing is written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "made").mkdir()
        made = list(generated(folder / "made"))
        torture = arguments.clips / "torture"
        found = list(real(torture)) if torture.is_dir() else []
        if not found:
            print(f"no folder {torture}: only generated files", file=sys.stderr)
        wanted = [case for case in made + found if not arguments.only or case.name in arguments.only]
        for number, case in enumerate(wanted):
            examine(case, folder)
            said = "ok" if case.good else "; ".join(case.row.wrong)
            print(f"{number + 1}/{len(wanted)} {case.name}: {said} [{case.plain}]", file=sys.stderr, flush=True)
        if not arguments.only:
            arguments.output.write_text(page(made, found), encoding="utf-8")
    report = {
        "benchmark": "conformance",
        "files": len(wanted),
        "hold": sum(case.good for case in wanted),
        "fail": {case.name: case.row.wrong for case in wanted if not case.good},
        "as_it_comes": {case.name: case.plain for case in wanted if case.plain not in ("", "same")},
    }
    print(json.dumps(report, indent=2, ensure_ascii=False))
    sys.exit(0 if not report["fail"] else 1)


if __name__ == "__main__":
    main()
