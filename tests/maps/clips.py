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


def random_map(spec: MapSpec, size, rng: np.random.Generator) -> MapFrame:
    """Noise of any kind, (width, height) large, with instances and keypoints where the kind has them."""
    width, height = size
    shape = (height, width) if spec.planes is None else (height, width, spec.planes)
    keypoints = instances = None
    if spec.kind in ("flow", "depth"):
        return MapFrame(spec, rng.integers(0, 2**16, shape).astype(np.uint16))
    array = rng.integers(0, 256, shape).astype(np.uint8)
    if spec.kind == "labels":
        array = rng.choice(np.array([c.id for c in spec.label_schema.classes], np.uint8), shape)
    if spec.kind == "edges":
        array = np.where(array > 127, np.uint8(255), np.uint8(0))
    if spec.kind == "face" or spec.instance_edges:
        instances = rng.integers(0, 2**16, (height, width)).astype(np.int32)
    if spec.kind in ("face", "pose"):
        points = (68, 2) if spec.kind == "face" else (int(rng.integers(0, 3)), 137, 3)
        keypoints = rng.normal(0, 10.0 ** rng.integers(-9, 3), points)
        keypoints[rng.random(points) < 0.2] = -0.0
    return MapFrame(spec, array, instances, keypoints)


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
