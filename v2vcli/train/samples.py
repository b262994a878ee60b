"""What a model paints while it learns, to look at: strips (map | painted | real | flow | mask) and short videos.

    runs/NAME/samples/STAGE-000200.png   a row for each frame, at most `ROWS` of them
    runs/NAME/samples/STAGE-000200.mp4   all frames one after another, where they are those of one clip

Peculiar: maps are pictured from the very tensors that the networks saw (`map_frames` undoes `maps.map_tensor`), so a
wrong schema or a lost plane is seen here; flow has one brightness for all frames of a strip, or a still camera's noise
would look like motion.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from v2vcli.maps.label_schema import VOID
from v2vcli.maps.pictures import flow_picture, image_picture
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.video import Encoding, Frame, VideoWriter

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""
Row = dict[str, Picture]
"""Pictures of one frame by what they show, left to right; all of one size."""
ROWS = 6
WIDEST = 512
"""Pixels: a picture of a strip is made no wider than that."""
CAPTION = 16
"""Pixels above the pictures that say what they are."""
FASTEST = 0.01
"""Share of the pixels that flow pictures do not tell apart by speed."""
RATE = Fraction(8)
"""Frames per second of sample videos: slow enough to see flicker for what it is."""


def map_frames(maps_NCHW: Tensor, spec: MapSpec) -> list[MapFrame]:
    """Maps as they were before `map_tensor`; a pixel without a label is void. Instances do not come back.

    Args:
        maps_NCHW: (N, `spec.channels`, H, W) as `map_tensor` makes them.
        spec: what they are.
    """
    x = maps_NCHW.detach().float().cpu()
    match spec.kind:
        case "labels":
            planes = x[:, : spec.label_schema.planes]
            ids = planes.argmax(1).masked_fill(planes.sum(1) == 0, VOID)
            return [MapFrame(spec, each) for each in ids.to(torch.uint8).numpy()]
        case "edges":
            return [MapFrame(spec, each) for each in (x[:, 0] > 0.5).to(torch.uint8).mul(255).numpy()]
        case "face":
            values = x * 255
        case "rgb" | "pose":
            full = torch.full((spec.channels,), 255.0)
            if spec.channels == 6:
                full[2] = 24  # DensePose's parts
            values = (x + 1) / 2 * full[:, None, None]
    stored = values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return [MapFrame(spec, each) for each in stored]


def map_pictures(maps_NCHW: Tensor, spec: MapSpec) -> list[Picture]:
    """Maps to look at, with the edges between instances in white where the model is given them."""
    pictures = [frame.picture() for frame in map_frames(maps_NCHW, spec)]
    if spec.instance_edges:
        for picture, edges in zip(pictures, maps_NCHW[:, -1].detach().cpu().numpy(), strict=True):
            picture[edges > 0.5] = 255
    return pictures


def image_pictures(images_N3HW: Tensor) -> list[Picture]:
    """Images in [-1, 1] to look at."""
    return list(image_picture(images_N3HW.detach().float().permute(0, 2, 3, 1).cpu().numpy()))


def flow_pictures(flow_N2HW: Tensor) -> list[Picture]:
    """Flow in colours, see `maps.pictures.flow_picture`; full brightness is the fastest `FASTEST` of all N frames."""
    n, _, height, width = flow_N2HW.shape
    flow = flow_N2HW.detach().float().cpu()
    speed = flow.norm(dim=1, keepdim=True)
    fastest = float(np.quantile(speed.numpy(), 1 - FASTEST))
    if fastest > 0:  # single wild pixels of a young network would leave all the rest black
        flow = flow * (fastest / speed.clamp_min(fastest))
    tall = flow.permute(0, 2, 3, 1).reshape(n * height, width, 2).contiguous().numpy()
    return list(flow_picture(tall).reshape(n, height, width, 3))


def mask_pictures(mask_N1HW: Tensor) -> list[Picture]:
    """Masks in [0, 1] to look at: white is newly painted, black is warped."""
    grey = image_picture(mask_N1HW.detach().float().permute(0, 2, 3, 1).cpu().numpy(), low=0.0)
    return list(np.repeat(grey, 3, axis=3))


def sample_rows(
    spec: MapSpec,
    maps_NCHW: Tensor,
    painted_N3HW: Tensor,
    real_N3HW: Tensor,
    *,
    hallucinated_N3HW: Tensor | None = None,
    flow_N2HW: Tensor | None = None,
    mask_N1HW: Tensor | None = None,
) -> list[Row]:
    """A row for each of N frames: map, painted, real, and what the video generator has besides.

    Args:
        spec: of the maps.
        maps_NCHW: what was to be painted.
        painted_N3HW: what was, in [-1, 1].
        real_N3HW: what it should have looked like, in [-1, 1].
        hallucinated_N3HW: the frames before anything is warped into them.
        flow_N2HW: in pixels, to the frame before; may be smaller than the frames.
        mask_N1HW: in [0, 1], 1 = newly painted; may be smaller, too.
    """
    columns = {"map": map_pictures(maps_NCHW, spec), "painted": image_pictures(painted_N3HW)}
    columns["real"] = image_pictures(real_N3HW)
    if hallucinated_N3HW is not None:
        columns["hallucinated"] = image_pictures(hallucinated_N3HW)
    if flow_N2HW is not None:
        columns["flow"] = flow_pictures(flow_N2HW)
    if mask_N1HW is not None:
        columns["mask"] = mask_pictures(mask_N1HW)
    height, width = real_N3HW.shape[2:]
    columns = {name: [_sized(each, width, height) for each in pictures] for name, pictures in columns.items()}
    return [dict(zip(columns, pictures, strict=True)) for pictures in zip(*columns.values(), strict=True)]


def strip(rows: Sequence[Row]) -> Picture:
    """One picture of at most `ROWS` rows, evenly chosen, first and last among them, under their captions."""
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, min(len(rows), ROWS)).round().astype(int)]
    return np.vstack([_captions(chosen[0]), *(_side_by_side(row) for row in chosen)])


def save_strip(path: Path, rows: Sequence[Row]) -> None:
    """Write `strip` as a PNG, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    Image.fromarray(strip(rows)).save(partial, format="PNG")
    os.replace(partial, path)


def save_video(path: Path, rows: Sequence[Row]) -> None:
    """Write every row as a frame of an MP4, in order, under the captions of the first.

    Raises:
        OutputError: the file cannot be written.
    """
    captions = _captions(rows[0])
    width, height = captions.shape[1], captions.shape[0] + _side_by_side(rows[0]).shape[0]
    with VideoWriter(
        path,
        width=width,
        height=height,
        time_base=1 / RATE,
        rate=RATE,
        encoding=Encoding(preset="veryfast"),
        overwrite=True,
        metadata={"comment": "synthetic: sample of a v2v training run"},
    ) as writer:
        for t, row in enumerate(rows):
            writer.write(Frame(np.vstack([captions, _side_by_side(row)]), t / RATE, 1 / RATE, t))


def _side_by_side(row: Row) -> Picture:
    pictures = list(row.values())
    height, width = pictures[0].shape[:2]
    if width > WIDEST:
        pictures = [_sized(each, WIDEST, max(1, round(height * WIDEST / width))) for each in pictures]
    return np.hstack(pictures)


def _sized(picture: Picture, width: int, height: int) -> Picture:
    """Averaged over areas when made smaller, pixels repeated when made larger: nothing is made up."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def _captions(row: Row) -> Picture:
    """A line of white words on black, one over each picture; what does not fit is cut off by its neighbour."""
    width = min(next(iter(row.values())).shape[1], WIDEST)
    cells = []
    for name in row:
        cell = Image.new("RGB", (width, CAPTION))
        ImageDraw.Draw(cell).text((4, 2), name, fill="white")
        cells.append(np.asarray(cell))
    return np.hstack(cells)
