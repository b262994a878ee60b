"""Video files at the edge of the program: frames with exact timestamps in, the same out."""

from v2vcli.video.encoding import Encoding
from v2vcli.video.frame import ColourTags, Frame, VideoInfo
from v2vcli.video.reader import VideoReader
from v2vcli.video.resample import resample
from v2vcli.video.shots import ShotDetector
from v2vcli.video.source import RawVideo
from v2vcli.video.writer import VideoWriter

__all__ = [
    "ColourTags",
    "Encoding",
    "Frame",
    "RawVideo",
    "ShotDetector",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "resample",
]
