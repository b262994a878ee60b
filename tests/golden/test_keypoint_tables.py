"""Landmark curves, limbs and colours are the recorded ones, to the last number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.golden.recording import Parity
from v2vcli.maps.drawn.keypoints import (
    FACE_PARTS,
    FINGERS,
    HEAD_LIMBS,
    POSE_FACE_CHAINS,
    POSE_FACE_COLOUR,
    TRUNK_LIMBS,
    Limb,
)


def _limbs(limbs: tuple[Limb, ...]) -> list[dict[str, Any]]:
    return [{"pair": [limb.start, limb.end], "rgb": list(limb.colour)} for limb in limbs]


def test_tables(golden_dir: Path, parity: Parity) -> None:
    recorded = json.loads((golden_dir / "keypoint_tables.json").read_text())
    assert _limbs((*HEAD_LIMBS, *TRUNK_LIMBS)) == recorded["openpose"]["limbs_full"]
    assert _limbs(TRUNK_LIMBS) == recorded["openpose"]["limbs_basic_only"]
    assert [{"chain": list(chain), "rgb": list(colour)} for chain, colour in FINGERS] == recorded["openpose"]["fingers"]
    chains = [chain for part in recorded["openpose"]["face_chains"] for chain in part]
    assert [list(chain) for chain in POSE_FACE_CHAINS] == chains
    assert list(POSE_FACE_COLOUR) == recorded["openpose"]["face_rgb"]
    parts = [[list(curve) for curve in part.curves] for part in FACE_PARTS]
    assert parts == recorded["face68"]["parts"]
    assert [part.label for part in FACE_PARTS] == recorded["face68"]["part_label"]
    parity.note("keypoint_tables", "every table", 0.0)
