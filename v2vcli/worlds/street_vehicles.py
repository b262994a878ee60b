"""Cars, buses and trucks as analytic solids: a body, a cabin and wheels.

Every function takes where the vehicle is now and how far it was moved from one frame earlier (``moved`` = then -
now).
"""

from __future__ import annotations

import numpy as np

from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_objects import (
    BUS,
    CAR,
    PARTS,
    TRUCK,
    Colour,
    Material,
    Planes,
    Point,
    half_spaces,
    leaning_block,
)


def car(
    number: int,
    at: Point,
    moved: Point,
    heading: int,
    colour: Colour,
    style: float,
    *,
    far: bool,
    braking: bool = False,
) -> list[Solid]:
    """A car on the ground at ``at`` (centre of its footprint), driving along +Z (heading 1) or -Z (-1)."""
    x, y, z = at
    estate, tall = style > 0.55, 0.16 if style > 0.8 else 0.0
    length, width = 2.05 + 0.25 * style, 0.88
    key, h = number * PARTS, heading

    def flip(
        table: Planes,
    ) -> Planes:
        if h < 0:
            table = table.copy()
            table[:, 2] *= -1
        return table

    body_hy = 0.33 + 0.5 * tall
    body = leaning_block(width, body_hy, length, length - 0.02, length - 0.16, length - 0.1, 0.05)
    # The bonnet slopes down to the front.
    body = np.concatenate((body, half_spaces([(0, 1.0, 0.16, body_hy - 0.0 + 0.16 * 0.75)])))
    body_y = y + 0.27 + body_hy
    top = body_y + body_hy
    cabin_hy = 0.27 + 0.3 * tall
    cabin_front, cabin_back = 0.75, (length - 0.22 if estate else length - 0.72)
    half_z = 0.5 * (cabin_front + cabin_back)
    shift = 0.5 * (cabin_front - cabin_back) * h
    cabin = leaning_block(
        width - 0.06, cabin_hy, half_z, half_z, half_z - 0.62, half_z - (0.18 if estate else 0.45), 0.17
    )
    lamp = 1.0 if braking else 0.0
    solids = [
        Solid(
            "hull",
            (x, body_y, z),
            (width, body_hy, length),
            Material.CAR_BODY,
            key,
            CAR,
            number,
            colour,
            moved,
            planes=flip(body),
            detail=(float(h), length, lamp, style),
        ),
        Solid(
            "hull",
            (x, top + cabin_hy - 0.01, z + shift),
            (width - 0.06, cabin_hy, half_z),
            Material.CAR_GLASS,
            key + 1,
            CAR,
            number,
            colour,
            moved,
            planes=flip(cabin),
            detail=(float(h), half_z, cabin_hy, style),
        ),
    ]
    part = 2
    for side in (-1, 1):
        for end in (-1, 1):
            if not far:
                centre = (x + side * (width - 0.08), y + 0.32, z + end * (length - 0.72))
                solids.append(
                    Solid(
                        "ellipsoid",
                        centre,
                        (0.13, 0.32, 0.32),
                        Material.WHEEL,
                        key + part,
                        CAR,
                        number,
                        (0.05, 0.05, 0.055),
                        moved,
                    )
                )
            part += 1
    return solids


def van(number: int, at: Point, moved: Point, heading: int, colour: Colour, kind: int) -> list[Solid]:
    """A bus or a box truck (``kind`` is its label)."""
    x, y, z = at
    key = number * PARTS
    length, height = (5.2, 1.4) if kind == BUS else (3.6, 1.35)
    solids = [
        Solid(
            "hull",
            (x, y + 0.35 + height, z),
            (1.22, height, length),
            Material.BUS,
            key,
            kind,
            number,
            colour,
            moved,
            detail=(float(heading), length, height, float(kind == BUS)),
        )
    ]
    if kind == TRUCK:
        cab = leaning_block(1.05, 0.95, 0.8, 0.8, 0.6, 0.75, 0.08)
        if heading < 0:
            cab[:, 2] *= -1
        solids.append(
            Solid(
                "hull",
                (x, y + 1.35, z + heading * (length + 0.75)),
                (1.05, 0.95, 0.8),
                Material.CAR_GLASS,
                key + 1,
                kind,
                number,
                (0.75, 0.75, 0.78),
                moved,
                planes=cab,
                detail=(float(heading), 0.8, 0.95, 0.2),
            )
        )
    for part, (side, end) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        centre = (x + side * 1.12, y + 0.45, z + end * (length - 1.0))
        solids.append(
            Solid(
                "ellipsoid",
                centre,
                (0.16, 0.45, 0.45),
                Material.WHEEL,
                key + 2 + part,
                kind,
                number,
                (0.05, 0.05, 0.055),
                moved,
            )
        )
    return solids
