"""Flow that was found once, on the disk: one small file for each pair of frames.

    FOLDER/KEY/WIDTHxHEIGHT/CURRENT-PREVIOUS.npz    flow (H, W, 2) float16 pixels, confidence as bytes of 0..255

Peculiar: files appear whole (renamed when written), so that any number of processes may write the same ones.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import OutputError
from v2vcli.train.footage import Moment


@dataclass(frozen=True)
class FlowCache:
    """The flow of one method, below `folder`."""

    folder: Path

    def found(self, moment: Moment) -> tuple[NDArray[np.float16], NDArray[np.float32]] | None:
        """Flow (T, H, W, 2) and confidence (T, H, W) of a moment; None unless all of it is here."""
        files = self._files(moment)
        if files is None:
            return None
        flow = np.zeros((*moment.images.shape[:3], 2), np.float16)
        confidence = np.zeros(moment.images.shape[:3], np.float32)
        for t, file in enumerate(files, 1):
            try:
                with np.load(file) as stored:
                    flow[t], confidence[t] = stored["flow"], stored["confidence"] / np.float32(255)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):  # not here, or of another program
                return None
        return flow, confidence

    def keep(self, moment: Moment) -> None:
        """Write the flow of a moment that has one.

        Raises:
            OutputError: the disk refuses.
        """
        files = self._files(moment)
        if files is None or moment.flow is None or moment.confidence is None:
            return
        for t, file in enumerate(files, 1):
            _write(file, moment.flow[t].astype(np.float16), _bytes(moment.confidence[t]))

    def _files(self, moment: Moment) -> list[Path] | None:
        """One for each frame but the first; None for a moment that cannot be named."""
        if moment.key is None:
            return None
        height, width = moment.images.shape[1:3]
        folder = self.folder / moment.key / f"{width}x{height}"
        return [folder / f"{number}-{before}.npz" for before, number in pairwise(moment.numbers)]


def _bytes(confidence: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.asarray(np.round(confidence.astype(np.float32) * 255), np.uint8)


def _write(file: Path, flow: NDArray[Any], confidence: NDArray[np.uint8]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.{os.getpid()}.part")
        with partial.open("wb") as opened:
            np.savez(opened, flow=flow, confidence=confidence)
        partial.replace(file)
    except OSError as error:
        raise OutputError(
            f"{file}: flow cannot be kept ({error.strerror}); make room, or leave data.cache out"
        ) from None
