"""Maps and videos that the tests of this folder make for themselves."""

from fractions import Fraction

import av
import numpy as np

from v2vcli.maps.schema import LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec


def label_scene(schema: LabelSchema, width=160, height=96, index=0):
    """(H, W) ids: every class as a band of blocks that drifts with `index`, void in one corner, thin poles in front."""
    ids = np.array([c.id for c in schema.classes if not c.void], np.uint8)
    y, x = np.mgrid[:height, :width]
    scene = ids[((x + 3 * index) // 20 + 7 * (y // 16)) % len(ids)]
    scene[:, 10::40] = ids[-1]
    scene[:8, :8] = schema.void_id
    return scene


def label_frames(spec: MapSpec, count=4, instances=False, **size):
    frames = []
    for i in range(count):
        ids = label_scene(spec.label_schema, index=i, **size)
        frames.append(MapFrame(spec, ids, ids.astype(np.int32) * 1000 + i if instances else None))
    return frames


def random_frames(spec: MapSpec, count=3, width=53, height=37):
    """Noise of the spec's kind: nothing that a lossy step would leave alone."""
    rng = np.random.default_rng(0)
    if spec.kind == "rgb":
        return [MapFrame(spec, rng.integers(0, 256, (height, width, 3)).astype(np.uint8)) for _ in range(count)]
    values = [0, 255] if spec.kind == "edges" else [c.id for c in spec.label_schema.classes]
    return [MapFrame(spec, rng.choice(values, (height, width)).astype(np.uint8)) for _ in range(count)]


def encode(path, pictures, codec="libx264", pix_fmt="yuv420p", matrix=5, tagged=True, rate=25, **options):
    """Write (H, W, 3) RGB pictures, or (H, W) grey ones with `pix_fmt="gray"`; `matrix` is 1 (BT.709) or 5 (BT.601)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {k: str(v) for k, v in options.items()}
        stream.codec_context.thread_count = 1
        yuv = pix_fmt.startswith("yuv")
        if yuv and tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "gray" if picture.ndim == 2 else "rgb24")
            if yuv:
                frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=1, src_color_range=2)
                frame.colorspace = matrix if tagged else 2
            elif frame.format.name != pix_fmt:
                frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = i, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
