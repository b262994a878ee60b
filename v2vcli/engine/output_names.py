"""Where the results of several inputs go: a folder, or a template such as ``maps/{stem}.mkv``.

| fields | of ``clips/drive.mp4``, the third input |
|---|---|
| ``{stem}`` | ``drive`` |
| ``{ext}`` | ``mp4`` |
| ``{parent}`` | ``clips`` |
| ``{index}`` | ``3`` |
| ``{folder}`` | of what was found in a folder: where it lies in there; else ``.`` |
| ``{mode}`` | of conversions: ``--mode``, or the model's name |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from v2vcli.engine.inputs import InputFile
from v2vcli.errors import UsageError

FORMATS: Final = ("mkv", "png")
"""What maps are stored as: one file, or a folder of PNGs."""
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_ADVICE: Final = "give a folder, or a template such as 'maps/{stem}.mkv'"


def map_outputs(inputs: Sequence[Path], output: str, form: str | None = None) -> list[Path]:
    """Where the maps of each input go.

    One input: `output` is the maps themselves, a ``.mkv`` file or a new folder of PNGs (with `form` ``mkv``, also a
    folder that the file goes to). Several: a folder that gets ``{stem}.mkv``, or with ``png`` a folder ``{stem}``, for
    each; or a template.

    Args:
        inputs: at least one.
        output: what ``-o`` says.
        form: what ``--format`` says, one of `FORMATS`; None goes by the output's name.

    Raises:
        UsageError: output and form contradict each other, the template has an unknown field, or two inputs would be
            written to the same place.
    """
    if form not in (None, *FORMATS):
        raise UsageError(f"--format {form}: choose {' or '.join(FORMATS)}")
    is_file = Path(output).suffix.lower() == ".mkv"
    if form == "png" and is_file:
        raise UsageError(f"--format png makes folders, and -o {output} is the name of a file; leave one of them out")
    if _FIELD.search(output):
        if form == "mkv" and not is_file:
            raise UsageError(f"--format mkv makes files, and -o {output} does not end in .mkv; leave one of them out")
        return filled(inputs, output, "-o")
    if len(inputs) > 1 and is_file:
        raise UsageError(f"-o {output} is one file, and there are {len(inputs)} inputs; {_ADVICE}")
    if len(inputs) == 1 and (is_file or form != "mkv"):
        return [Path(output)]
    return filled(inputs, os.path.join(output, "{stem}" if form == "png" else "{stem}.mkv"), "-o")


def video_outputs(inputs: Sequence[Path], output: str, option: str) -> list[Path]:
    """Where a video made of each input goes: a file for one input, a folder or a template for several.

    Args:
        inputs: at least one.
        output: what the option says.
        option: its name, for messages.

    Raises:
        UsageError: as `map_outputs`.
    """
    if _FIELD.search(output):
        return filled(inputs, output, option)
    if len(inputs) == 1:
        return [Path(output)]
    if Path(output).suffix:
        example = os.path.join(os.path.dirname(output), "{stem}" + Path(output).suffix)
        raise UsageError(
            f"{option} {output} is one file, and there are {len(inputs)} inputs; give a folder, or a template such as"
            f" '{example}'"
        )
    return filled(inputs, os.path.join(output, "{stem}.mp4"), option)


def converted_outputs(inputs: Sequence[InputFile], output: str, option: str, mode: str) -> list[Path]:
    """Where the conversion of each of several inputs goes: a template, or a folder that gets ``{folder}/{stem}.mp4``.

    Args:
        inputs: at least one.
        output: what the option says.
        option: its name, for messages.
        mode: what ``{mode}`` stands for.

    Raises:
        UsageError: it is the name of one file, the template has an unknown field, or two inputs would be written to
            the same place.
    """
    paths = [each.path for each in inputs]
    more = [{"folder": str(each.folder), "mode": mode} for each in inputs]
    if not _FIELD.search(output):
        if len(inputs) == 1 and not is_folder(output):
            return [Path(output)]
        if len(inputs) > 1 and Path(output).suffix and not is_folder(output):
            return video_outputs(paths, output, option)  # which refuses it
        output = os.path.join(output, "{folder}", "{stem}.mp4")
    return filled(paths, output, option, more)


def is_folder(output: str) -> bool:
    """Whether an output is a folder by its name, or because there is one."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def is_template(output: str) -> bool:
    """Whether an output has fields to fill in."""
    return _FIELD.search(output) is not None


def given_for(inputs: Sequence[Path], source: str, option: str) -> list[Path]:
    """Where something that belongs to each input is read from: a path for one input, a template for several.

    Raises:
        UsageError: it is one path for several inputs, or as `map_outputs`.
    """
    if len(inputs) == 1 and not _FIELD.search(source):
        return [Path(source)]
    if not _FIELD.search(source):
        raise UsageError(
            f"{option} {source} belongs to one video, and there are {len(inputs)} inputs; give a template such as"
            f" '{os.path.join(source, '{stem}')}'"
        )
    return filled(inputs, source, option)


def filled(
    inputs: Sequence[Path], template: str, option: str, more: Sequence[Mapping[str, str]] | None = None
) -> list[Path]:
    """A template filled in for each input.

    Args:
        inputs: at least one.
        template: with fields.
        option: whose it is, for messages.
        more: further fields of each input, by name.

    Raises:
        UsageError: it has an unknown field, or gives two inputs the same name.
    """
    found: list[Path] = []
    owners: dict[str, Path] = {}
    for number, path in enumerate(inputs, start=1):
        fields = {"stem": path.stem, "ext": path.suffix[1:], "parent": path.absolute().parent.name}
        fields |= {"index": str(number), **(more[number - 1] if more is not None else {})}
        if unknown := [name for name in _FIELD.findall(template) if name not in fields]:
            raise UsageError(
                f"{option} {template}: there is no field {{{unknown[0]}}}; use {', '.join(f'{{{n}}}' for n in fields)}"
            )
        output = Path(_filled(template, fields))
        place = os.path.realpath(output)
        if place in owners:
            raise UsageError(
                f"{option} is {output} for {owners[place]} and for {path};"
                " give a template with {parent}, {ext} or {index}"
            )
        owners[place] = path
        found.append(output)
    return found


def _filled(template: str, fields: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda match: fields[match[1]], template)
