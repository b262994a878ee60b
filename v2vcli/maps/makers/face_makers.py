"""Face maps from frames: the 68 landmarks that the package face-alignment finds.

MODEL is ``2d``, points on the contour that is seen, as the paper's models learnt them, or ``3d``, the points of the
head behind it, projected: where a face is turned away, its jaw runs through the cheek.

What is peculiar:

- A face map holds one face: of several, the one with the largest box. Who that is is decided frame by frame, from the
  frame alone, so that no map depends on where a window of frames began; give a part of the picture where two are alike.
- Where there is no face, nothing is made up: no curves, every distance the largest there is, no landmarks, and in the
  edge channel the edges of the picture, all of which is background then. The face of a moment ago is not carried on.
- Faces are looked for with the picture's longer side at `LONGEST` pixels at most, for the detector is the slow part;
  landmarks are found in the full picture, of the one face alone.
- Everything runs in float32: a landmark is the highest point of a heat map, and rounding makes ties.
- The package would load the detector's weights by unpickling them, compile its network at the first start, and leave
  cuDNN choosing its algorithms by timing; it is asked not to.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.background_edges import background_edges
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import FACE_CURVES, FaceSettings
from v2vcli.maps.makers.weights import fetch, nearest
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image

Picture: TypeAlias = NDArray[np.uint8]
Box: TypeAlias = NDArray[np.float64]

FACE_ALIGNMENT: Final = "face-alignment"
"""The family, and the package."""
REQUIREMENT: Final = "face-alignment>=1.5"
"""What pip installs for the extra ``face``; pyproject.toml says the same."""
LONGEST: Final = 640
"""Longer side of the pictures in which faces are looked for, in pixels."""
LEAST_SIDE: Final = 8.0
"""Sides that a face has at least, in pixels."""

_NETWORKS: Final = MappingProxyType({"2d": ("TWO_D", "2DFAN-4"), "3d": ("TWO_HALF_D", "3DFAN-4")})
_FARTHEST: Final = 255  # of a distance channel
_BATCH: Final = 4
_BATCH_ON_CUDA: Final = 16


class FaceDetector(Protocol):
    """What is used of face-alignment's detectors."""

    def detect_from_batch(self, tensor: Tensor) -> Sequence[Any]:
        """Boxes in pictures (N, 3, H, W) uint8 RGB: for each a sequence of left, top, right, bottom, score."""
        ...


class Aligner(Protocol):
    """What is used of `face_alignment.FaceAlignment`."""

    face_detector: FaceDetector

    def get_landmarks_from_image(self, image_or_path: Picture, detected_faces: list[Box]) -> list[NDArray[Any]]:
        """For each box the landmarks (68, 2) in pixels of a picture (H, W, 3) RGB."""
        ...


def open_face_alignment(
    model: str,
    device: torch.device | str,
    settings: FaceSettings = FaceSettings(),  # noqa: B008 - frozen
) -> FaceMaker:
    """The maker of face maps.

    Args:
        model: ``2d`` or ``3d``.
        device: where its networks run.
        settings: how faces are drawn.

    Raises:
        UsageError: there is no such model.
        ModelError: face-alignment is not installed, or weights are neither here nor to be had, or damaged.
    """
    files = fetch_weights(model)
    import face_alignment

    kind, _ = _NETWORKS[model]
    where = torch.device(device)
    try:
        with _cudnn_as_it_was():
            aligner = face_alignment.FaceAlignment(
                face_alignment.LandmarksType[kind],
                device=str(where),
                face_detector="sfd",
                face_detector_kwargs={"path_to_detector": str(files[0])},
                compile=False,
            )
    except Exception as error:  # what a damaged file makes of unpickling: of any class
        reason = " ".join(str(error).split())[:200]
        there = " or ".join(map(str, files))
        raise ModelError(
            f"{FACE_ALIGNMENT}:{model}: its weights are damaged ({reason}); remove {there}, and fetch them again: "
            f"v2v models pull {FACE_ALIGNMENT}:{model}"
        ) from error
    return FaceMaker(cast(Aligner, aligner), where, settings)


def fetch_weights(model: str, *, progress: bool = False) -> list[Path]:
    """The files of the detector and of the landmark network: from torch's cache, where the package looks, or fetched.

    Args:
        model: ``2d`` or ``3d``.
        progress: show a bar on stderr.

    Raises:
        UsageError: there is no such model.
        ModelError: face-alignment is not installed, or they are neither here nor to be had.
    """
    if model not in _NETWORKS:
        known = " or ".join(_NETWORKS)
        raise UsageError(f"{FACE_ALIGNMENT}:{model}: there is no such model{nearest(model, _NETWORKS)}; choose {known}")
    if importlib.util.find_spec("face_alignment") is None:
        raise ModelError(
            f"{FACE_ALIGNMENT}: needs the package face-alignment, which is not here; pip install '{REQUIREMENT}'"
        )
    try:
        from face_alignment.api import models_urls as networks
        from face_alignment.detection.sfd.sfd_detector import models_urls as detectors
    except Exception as error:  # versions that do not fit each other
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{FACE_ALIGNMENT}: the package cannot be imported ({reason}); pip install --upgrade '{REQUIREMENT}'"
        ) from error
    addresses = (detectors["s3fd"], networks[_NETWORKS[model][1]])
    return [fetch(url, f"{FACE_ALIGNMENT}:{model}", progress=progress) for url in addresses]


class FaceMaker:
    """Face maps, with the landmarks that they were drawn from. A `maps.makers.extractors.MapExtractor`.

    They are drawn at the size of the picture and scaled, as `maps.drawn.face` says.
    """

    def __init__(
        self,
        aligner: Aligner,
        device: torch.device | str,
        settings: FaceSettings = FaceSettings(),  # noqa: B008 - frozen
    ) -> None:
        """Take what finds landmarks.

        Args:
            aligner: `face_alignment.FaceAlignment`, or what does the same.
            device: where it runs.
            settings: how faces are drawn.
        """
        self.spec = MapSpec("face", face=settings)
        self._aligner = aligner
        self._batch = _BATCH_ON_CUDA if torch.device(device).type == "cuda" else _BATCH
        self._settings = settings

    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        maps = []
        with _cudnn_as_it_was():
            for image, box in zip(images, self._largest_faces(images), strict=True):
                if box is None:
                    drawn = faceless_map(image, self._settings)
                else:
                    (landmarks,) = self._aligner.get_landmarks_from_image(image, detected_faces=[box])
                    drawn = face_map(np.asarray(landmarks, np.float64)[:, :2], image, self._settings)
                maps.append(drawn.resized(*size))
        return maps

    def _largest_faces(self, images: Sequence[Picture]) -> Iterator[Box | None]:
        for _, alike in groupby(images, key=lambda image: image.shape):
            pictures = list(alike)
            height, width = pictures[0].shape[:2]
            scale = min(1.0, LONGEST / max(width, height))
            seen = max(1, round(width * scale)), max(1, round(height * scale))
            back = np.array((width / seen[0], height / seen[1]) * 2)
            for start in range(0, len(pictures), self._batch):
                small = np.stack([resize_image(image, *seen) for image in pictures[start : start + self._batch]])
                found = self._aligner.face_detector.detect_from_batch(torch.from_numpy(small).permute(0, 3, 1, 2))
                for faces in found:
                    boxes = np.array([face[:4] for face in faces], np.float64).reshape(-1, 4)
                    yield largest_face(boxes * back, width, height)


def largest_face(boxes: NDArray[np.float64], width: int, height: int) -> Box | None:
    """The box with the largest part inside the picture, cut to it; of two alike, the first.

    Args:
        boxes: (faces, 4) left, top, right, bottom in pixels.
        width: of the picture.
        height: of the picture.

    Returns:
        (4,), or None where none has sides of `LEAST_SIDE`.
    """
    cut = boxes.reshape(-1, 2, 2).clip(0, (width, height))
    sides = cut[:, 1] - cut[:, 0]
    areas = np.where((sides >= LEAST_SIDE).all(axis=1), sides.prod(axis=1), 0)
    return cut[areas.argmax()].reshape(4) if areas.any() else None


def faceless_map(
    photo: Picture,
    settings: FaceSettings = FaceSettings(),  # noqa: B008 - frozen
) -> MapFrame:
    """The map of a picture without a face, at its size: nothing but the edges of the background, where these are drawn.

    Args:
        photo: (H, W, 3) uint8 RGB.
        settings: Which channels, and how.
    """
    shape = photo.shape[:2]
    edges = np.where(background_edges(photo) if settings.background else np.zeros(shape, bool), np.uint8(255), 0)
    distances = [np.full(shape, _FARTHEST, np.uint8)] * (len(FACE_CURVES) * settings.distances)
    planes = np.stack((edges.astype(np.uint8), *distances), axis=2)
    return MapFrame(MapSpec("face", face=settings), planes, np.zeros(shape, np.int32))


@contextmanager
def _cudnn_as_it_was() -> Iterator[None]:
    """Undo that the package, on CUDA, lets cuDNN choose its algorithms by timing for all of the process."""
    before = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
