"""Where one shot ends and the next begins: there a generator has to forget the frames it painted before.

PySceneDetect's content detector (mean change of hue, saturation and brightness between neighbouring frames), fed frame
by frame. It decides on the spot, without looking ahead, because the frame after a cut has to be painted right then.
Its minimum scene length is off: two cuts in a row are two reasons to forget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from v2vcli.video.frame import Frame

if TYPE_CHECKING:
    from scenedetect.detectors import ContentDetector

_LONG_SIDE = 96  # pixels; plenty for a mean over the picture, and it averages noise and fine texture away


class ShotDetector:
    """Tells for one frame after another whether it is the first of a new shot; keeps one small picture."""

    def __init__(self, threshold: float = 27.0) -> None:
        """Make a detector.

        Args:
            threshold: mean change per channel, of 255, from which on it is a cut; PySceneDetect's default.
        """
        self._threshold = threshold
        self._detector: ContentDetector | None = None
        self._size = (0, 0)
        self._seen = 0

    def is_cut(self, frame: Frame) -> bool:
        """Whether ``frame`` begins a new shot; call it once for every frame, in order.

        The very first frame is not a cut: nothing precedes it that could be forgotten.
        """
        import cv2
        from scenedetect import FrameTimecode
        from scenedetect.detectors import ContentDetector

        if self._detector is None:
            self._detector = ContentDetector(threshold=self._threshold, min_scene_len=0)
            height, width = frame.image.shape[:2]
            scale = min(1.0, _LONG_SIDE / max(width, height))
            self._size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(frame.image, self._size, interpolation=cv2.INTER_AREA)
        bgr = np.ascontiguousarray(small[..., ::-1])
        # only the order of the time codes matters to the detector
        cuts = self._detector.process_frame(FrameTimecode(self._seen, fps=25.0), bgr)
        self._seen += 1
        return bool(cuts)
