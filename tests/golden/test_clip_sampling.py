"""Which frames of a clip are read, for the random numbers that the reference drew."""

from __future__ import annotations

import json
from pathlib import Path

from tests.golden.drawn import Drawn
from tests.golden.recording import Parity
from v2vcli.train.clip_sampling import clip_window

PAST = 2


def test_the_recorded_windows(golden_dir: Path, parity: Parity) -> None:
    cases = json.loads((golden_dir / "clip_sampling.json").read_text())
    assert len(cases) == 40
    for number, case in enumerate(cases):
        rng = Drawn([((0, high), value) for high, value in case["randint_exclusive_n_and_value"]])
        devices = case["gen_gpus"] if case["batch"] == 1 else 1
        window = clip_window(
            case["clip_length"],
            painted=case["n_frames_total"],
            chunk=case["max_frames_per_gpu"] * devices,
            past=PAST,
            rng=rng,
            longest_step=case["max_t_step"],
            position=case["index"] if case["dataset_mode"] == "pose" else None,
        )
        rng.used_up()
        for name, ours in (("frames_read", window.frames), ("start", window.start), ("step", window.step)):
            parity.check("clip_sampling", f"{number}/{name}", ours, case[name], 0.0)
        assert window.indices[-1] < case["clip_length"]
