"""Any label schema given where any other is wanted: remapped by the rules of docs/schemas.md, or refused by name.

The rules are written a second time below, in plain words and loops, and compared over random schemas.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from v2vcli.errors import InputError, SchemaMismatch
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.label_schema import VOID, LabelClass, LabelSchema
from v2vcli.maps.schema import CITYSCAPES19, CITYSCAPES35, SCHEMAS
from v2vcli.maps.schema_names import COARSER, SYNONYMS
from v2vcli.maps.schema_pairs import missing, pairs, updated
from v2vcli.maps.spec import MapFrame, MapSpec

PAGE = Path(__file__).parents[2] / "docs" / "schemas.md"
NAMES = sorted({c.name for schema in SCHEMAS.values() for c in schema.classes} | set(SYNONYMS) | {"lava", "label 7"})
PAIRS = 1500


def _random_schema(rng: np.random.Generator, name: str) -> LabelSchema:
    """Some of the names, in any spelling, with any ids; at least one class is not void."""
    count = int(rng.integers(1, 24))
    ids = rng.permutation(VOID)[:count].tolist()
    colours = (rng.permutation(4096)[:count] + 1) * 4000  # 0 is the colour of void
    classes = []
    for n, chosen in enumerate(rng.permutation(NAMES)[:count].tolist()):
        spelt = [chosen, chosen.title(), chosen.replace(" ", "_"), chosen.replace(" ", "-")][int(rng.integers(4))]
        colour = (int(colours[n]) >> 16, int(colours[n]) >> 8 & 255, int(colours[n]) & 255)
        classes.append(LabelClass(spelt, ids[n], colour, void=n > 0 and bool(rng.random() < 0.2)))
    return LabelSchema(name, tuple(classes))


def _random_pair(seed: int) -> tuple[LabelSchema, LabelSchema]:
    """Often a schema and most of its classes under other numbers, since two at random hardly ever fit."""
    rng = np.random.default_rng([seed, 35, 19])
    source, target = _random_schema(rng, "mine"), _random_schema(rng, "theirs")
    if rng.random() < 0.5:
        names = {_plain(c.name) for c in target.classes}
        left = [c for c in source.classes if _plain(c.name) not in names and rng.random() < 0.9]
        free = iter(sorted(set(range(VOID)) - {c.id for c in target.classes}))
        more = [LabelClass(c.name, next(free), (0, 255, n), void=c.void) for n, c in enumerate(left)]
        target = LabelSchema("theirs", target.classes + tuple(more))
    return source, target


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ")


def _meaning(name: str) -> str:
    return SYNONYMS.get(_plain(name), _plain(name))


def _home(wanted: LabelClass, target: LabelSchema) -> LabelClass | None:
    """Rules 1 to 3 of the page, for one class."""
    for name in [wanted.name, *(() if wanted.void else COARSER.get(_meaning(wanted.name), ()))]:
        same = [c for c in target.classes if _plain(c.name) == _plain(name)]
        alike = [c for c in target.classes if _meaning(c.name) == _meaning(name)]
        for c in (same or alike)[:1]:
            if name == wanted.name or not c.void:
                return c
    return None


def _expected(source: LabelSchema, target: LabelSchema) -> tuple[list[int], list[str]]:
    """The table and what is missing, by the page."""
    void = min([c.id for c in target.classes if c.void], default=VOID)
    table, lacking = [void] * 256, []
    for c in source.classes:
        home = _home(c, target)
        if home is not None:
            table[c.id] = home.id
        elif not c.void:
            lacking.append(c.name)
    return table, lacking


def test_random_pairs_are_remapped_by_the_rules_or_refused_with_what_is_missing() -> None:
    remapped = refused = coarser = 0
    for seed in range(PAIRS):
        source, target = _random_pair(seed)
        table, lacking = _expected(source, target)
        assert missing(source, target) == lacking, seed
        if lacking:
            refused += 1
            with pytest.raises(SchemaMismatch) as refusal:
                source.remap_table(target)
            assert f"'mine' does not fit 'theirs': no home for {', '.join(lacking)};" in str(refusal.value), seed
            continue
        remapped += 1
        found = source.remap_table(target)
        assert found.dtype == np.uint8 and found.tolist() == table, seed
        assert target.known[found].all(), seed
        assert target.void[found[~source.known]].all(), seed
        coarser += any(_meaning(c.name) != _meaning(h.name) for c in source.classes if (h := _home(c, target)))
    assert min(remapped, refused) > PAIRS // 5 and coarser > 20  # otherwise the pairs say little


def test_maps_with_an_id_of_no_class_are_refused_whatever_the_model() -> None:
    for seed in range(200):
        source, _ = _random_pair(seed)
        stranger = int(np.flatnonzero(~source.known)[seed % 100])
        ids = np.full((2, 2), source.classes[0].id, np.uint8)
        assert source.unknown_ids(ids) == []
        ids[1, 0] = stranger
        assert source.unknown_ids(ids) == [stranger]


def _stored(path: Path, schema: LabelSchema, ids: NDArray[np.uint8]) -> Path:
    with MapWriter(path, MapSpec("labels", schema)) as writer:
        writer.write(MapFrame(MapSpec("labels", schema), ids), Fraction(0))
    return path


@pytest.mark.parametrize("suffix", [".mkv", ""])
def test_a_file_of_35_classes_reaches_a_model_of_19_by_name(tmp_path: Path, suffix: str) -> None:
    ids = np.arange(35, dtype=np.uint8).reshape(5, 7)
    path = _stored(tmp_path / f"maps{suffix}", CITYSCAPES35, ids)
    (found,) = open_maps(path, MapSpec("labels", CITYSCAPES19))
    names = {c.id: c.name for c in CITYSCAPES35.classes}
    trained = {c.name: c.id for c in CITYSCAPES19.classes}
    assert found.array.ravel().tolist() == [trained.get(names[n], VOID) for n in range(35)]


def test_files_of_35_numbers_that_do_not_say_their_schema_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7)).save(folder / "000000.png")
    with pytest.raises(InputError, match="maps-schema"):
        list(open_maps(folder, MapSpec("labels", CITYSCAPES19)))
    with pytest.raises((SchemaMismatch, InputError), match=r"ids? .*19.*34"):  # said to be of 19 classes, and is not
        list(open_maps(folder, MapSpec("labels", CITYSCAPES19), CITYSCAPES19))
    (found,) = open_maps(folder, MapSpec("labels", CITYSCAPES19), CITYSCAPES35)
    assert found.array[1, 0] == 0 and found.array[4, 5] == 18  # 7 is road, 33 bicycle


def test_stored_files_of_random_schemas_are_remapped_or_refused_when_opened(tmp_path: Path) -> None:
    opened = refused = 0
    for seed in range(40):
        source, target = _random_pair(seed)
        rng = np.random.default_rng(seed)
        ids = rng.choice(np.array([c.id for c in source.classes] + [VOID], np.uint8), (16, 24))
        path = _stored(tmp_path / f"{seed}.mkv", source, ids)
        table, lacking = _expected(source, target)
        if lacking:
            refused += 1
            with pytest.raises(SchemaMismatch, match=re.escape(lacking[0])):
                list(open_maps(path, MapSpec("labels", target)))
        else:
            opened += 1
            (found,) = open_maps(path, MapSpec("labels", target))
            assert np.array_equal(found.array, np.array(table, np.uint8)[ids]), seed
    assert min(opened, refused) >= 8


def test_the_page_is_what_the_schemas_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "schemas changed: run `python -m v2vcli.maps.schema_pairs docs/schemas.md`"


@pytest.mark.parametrize(("source", "target"), list(product(SCHEMAS.values(), repeat=2)), ids=lambda s: s.name)
def test_the_page_tells_every_pair(source: LabelSchema, target: LabelSchema) -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, lacking = _expected(source, target)
    row = next(line for line in page.splitlines() if line.startswith(f"| `{source.name}` |"))
    verdict = row.split(" | ")[1 + list(SCHEMAS).index(target.name)].rstrip(" |")
    if source == target:
        assert verdict == "as it is"
        return
    assert verdict == (f"refused: {len(lacking)} missing" if lacking else "remapped")
    section = page.split(f"### `{source.name}` → `{target.name}`\n")[1].split("###")[0]
    if lacking:
        assert f"Refused. `{target.name}` has no class for: {', '.join(lacking)}." in section
        return
    for c in source.classes:
        home = _home(c, target)
        line = next(
            (li for li in section.splitlines() if c.name in li.removeprefix("- ").split(" →")[0].split(", ")), ""
        )
        if home is None or _plain(home.name) != _plain(c.name):
            assert line.endswith(f"→ {'void' if home is None else home.name}"), c.name
        else:
            assert line == "", c.name


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="put the pairs between"):
        updated("# Schemas")
    assert pairs((CITYSCAPES19,)).splitlines()[-1] == "| `cityscapes19` | as it is |"
