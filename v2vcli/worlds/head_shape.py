"""The geometry of a head as signed distances, and the movements of its skin.

Units: half the height of a head; x to the right, y down, z to the viewer; origin between the ears. The *rest* face
has mouth and eyes closed. `relax` maps a point of the moving face to its place on the rest face, in closed form, so
that one set of distance functions and one set of painted features serve every expression; `express` is its inverse,
found by iteration, which is what gives exact flow and landmarks.

A mouth (or an eye) is a slit: skin above its line moves up, skin below moves down, and what is between is the inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_motion import HeadPose

Array = NDArray[Any]
Distance = Callable[[Array, Array, Array], Array]

MOUTH_Y = 0.645
EYE_Y, EYE_X = 0.0, 0.30
EYE_HALF = 0.138
LID_Y = EYE_Y + 0.012  # where the lids meet


@dataclass(frozen=True, slots=True)
class Build:
    """The proportions of one person; 1 or 0 is the average."""

    jaw: float = 1.0
    cheek: float = 1.0
    skull: float = 1.0
    nose_width: float = 1.0
    nose_length: float = 1.0
    nose_out: float = 1.0
    lips: float = 1.0
    mouth: float = 0.23
    eye_size: float = 1.0
    eye_tilt: float = 0.0
    chin: float = 1.0
    neck: float = 0.33
    shoulders: float = 1.0
    ears: float = 1.0


def ellipsoid(
    x: Array, y: Array, z: Array, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Array:
    """Distance to an ellipsoid, exact to first order at its surface."""
    ix, iy, iz = (np.float32(1 / r) for r in radii)
    u, v, w = (x - np.float32(centre[0])) * ix, (y - np.float32(centre[1])) * iy, (z - np.float32(centre[2])) * iz
    k0 = np.sqrt(u * u + v * v + w * w)
    u *= ix
    v *= iy
    w *= iz
    k1 = np.sqrt(u * u + v * v + w * w) + np.float32(1e-6)
    out: Array = k0 * (k0 - 1) / k1
    return out


def blob(x: Array, y: Array, z: Array, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    """Cheap distance to a roundish ellipsoid: never more than the true one."""
    u = (x - np.float32(centre[0])) * np.float32(1 / radii[0])
    v = (y - np.float32(centre[1])) * np.float32(1 / radii[1])
    w = (z - np.float32(centre[2])) * np.float32(1 / radii[2])
    out: Array = (np.sqrt(u * u + v * v + w * w) - 1) * np.float32(min(radii))
    return out


def join(a: Array, b: Array, k: float) -> Array:
    """Union with a fillet of size ``k``."""
    h = np.maximum(np.float32(k) - np.abs(a - b), 0)
    out: Array = np.minimum(a, b) - h * h * np.float32(0.25 / k)
    return out


def carve(a: Array, b: Array, k: float) -> Array:
    """``a`` without ``b``, with a rounded rim of size ``k``."""
    return -join(-a, b, k)


def skull(build: Build) -> Distance:
    """The rest head with nose, cheeks, lips and ears; hair and neck are bodies of their own."""
    b = build
    tip_y, tip_z = 0.36 * b.nose_length, 0.745 + 0.055 * b.nose_out

    def distance(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        d = ellipsoid(ax, y, z, (0, -0.27, -0.16), (0.69 * b.skull, 0.74, 0.83))
        # The face narrows from the cheekbones to the chin.
        low = np.clip(y - np.float32(0.1), 0, 1)
        tx = ax * (1 + low * low * np.float32(0.42 / b.jaw))
        d = join(d, ellipsoid(tx, y, z, (0, 0.25, 0.1), (0.565 * b.cheek, 0.74, 0.56)), 0.2)
        d = join(d, blob(ax, y, z, (0.3 * b.jaw, 0.52, 0.06), (0.13, 0.18, 0.22)), 0.28)
        d = join(d, blob(ax, y, z, (0, 0.84 * b.chin, 0.45), (0.13 * b.jaw, 0.1, 0.1)), 0.2)
        d = join(d, blob(ax, y, z, (0.3 * b.cheek, 0.25, 0.42), (0.18, 0.15, 0.15)), 0.16)
        d = join(d, blob(ax, y, z, (0.2, -0.19, 0.57), (0.2, 0.05, 0.06)), 0.14)
        d = carve(d, blob(ax, y, z, (EYE_X, EYE_Y - 0.01, 0.74), (0.15, 0.1, 0.13)), 0.1)
        # Nose: a bridge that widens and comes forward towards the tip, the tip, and the wings.
        t = np.clip((y + 0.12) * np.float32(1 / (tip_y + 0.12)), 0, 1)
        bridge_z = np.float32(0.56) + np.float32(tip_z - 0.56 - 0.03) * t * t ** np.float32(0.3)
        width = np.float32(0.05) + np.float32(0.03 * b.nose_width) * t
        dy = y - np.clip(y, np.float32(-0.12), np.float32(tip_y))
        dz = z - bridge_z
        d = join(d, np.sqrt(ax * ax + dy * dy + dz * dz) - width, 0.09)
        d = join(d, blob(ax, y, z, (0, tip_y, tip_z - 0.02), (0.1 * b.nose_width, 0.085, 0.09)), 0.05)
        d = join(d, blob(ax, y, z, (0.1 * b.nose_width, tip_y + 0.035, 0.66), (0.062, 0.055, 0.075)), 0.04)
        # Lips: one roll above the line of the mouth, one below.
        d = join(d, blob(ax, y, z, (0.03, MOUTH_Y - 0.045, 0.56), (b.mouth * 0.75, 0.05 * b.lips, 0.085)), 0.06)
        d = join(d, blob(ax, y, z, (0, MOUTH_Y + 0.055, 0.555), (b.mouth * 0.68, 0.058 * b.lips, 0.085)), 0.05)
        ear = blob(ax, y - z * np.float32(0.25), z, (0.645, 0.12, -0.1), (0.105, 0.21 * b.ears, 0.14))
        hollow = blob(ax, y - z * np.float32(0.25), z, (0.735, 0.1, -0.02), (0.06, 0.13, 0.09))
        return join(d, carve(ear, hollow, 0.04), 0.03)

    return distance


def torso(build: Build) -> Distance:
    """Neck and shoulders, in the frame of the body."""
    b = build

    def distance(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        dy = y - np.clip(y, np.float32(0.4), np.float32(1.5))
        lean = np.float32(-0.2) - (y - np.float32(0.6)) * np.float32(0.12)
        d = np.sqrt(ax * ax + dy * dy + (z - lean) ** 2) - np.float32(b.neck)
        d = join(d, ellipsoid(ax, y, z, (0, 2.25, -0.3), (1.2 * b.shoulders, 0.95, 0.55)), 0.34)
        return join(d, blob(ax, y, z, (0.98 * b.shoulders, 1.95, -0.3), (0.4, 0.42, 0.36)), 0.25)

    return distance


class Slit:
    """An opening in the skin along a horizontal line: a mouth or an eye."""

    def __init__(
        self,
        x: float,
        y: float,
        half: float,
        up: float,
        down: float,
        reach: tuple[float, float],
        jaw: float = 0.0,
        tilt: float = 0.0,
    ) -> None:
        """``up``/``down``: lift of the edges in the middle; ``reach``: how far above and below the skin follows.

        ``jaw`` is how much of the lower movement everything below shares (1: the chin drops with the lip).
        """
        self.x, self.y, self.half, self.up, self.down, self.reach, self.jaw = x, y, half, up, down, reach, jaw
        self.tilt = tilt * (1 if x > 0 else -1)

    def edges(self, x: Array) -> tuple[Array, Array, Array]:
        """(line, upper edge, lower edge): y of the closed line and of both edges at ``x``."""
        s = (x - np.float32(self.x)) * np.float32(1 / self.half)
        lens = np.maximum(1 - s * s, 0)
        line = np.float32(self.y) - np.float32(self.tilt) * (x - np.float32(self.x))
        return line, line - np.float32(self.up) * lens, line + np.float32(self.down) * lens

    def relax(self, x: Array, y: Array, front: Array | None = None, above: Array | None = None) -> Array:
        """The rest y of points of the open face; inside the opening, the line itself.

        Args:
            x: current x.
            y: current y.
            front: how much of the jaw's movement a point shares beside ``jaw`` (0 at the back of the head).
            above: treat points as skin above (True) or below (False) the line, in place of deciding by the edges.
        """
        line, top, bottom = self.edges(x)
        up_reach, down_reach = self.reach
        fade = 1 - np.clip((top - y) * np.float32(1 / up_reach), 0, 1)
        upper = y + (line - top) * fade * fade
        fade = 1 - np.clip((y - bottom) * np.float32(1 / down_reach), 0, 1)
        lower = y - (bottom - line) * fade
        if self.jaw:
            spread = x * np.float32(1 / 0.52)
            spread = np.exp(-spread * spread * spread * spread)
            share = spread if front is None else spread * front
            lower = lower - np.float32(self.down * self.jaw) * share * (1 - fade)
        if above is not None:
            return np.where(above, upper, lower)
        return np.where(y < top, upper, np.where(y > bottom, lower, line))


@dataclass(frozen=True, eq=False)
class Expression:
    """The three slits and the soft movements (smile, brows) of one moment."""

    mouth: Slit
    left_eye: Slit
    right_eye: Slit
    smile: float
    brows: float
    half_mouth: float

    @staticmethod
    def of(pose: HeadPose, build: Build) -> Expression:
        """The expression that a pose asks of a build."""
        drop = pose.mouth
        half = build.mouth * (1 - 0.12 * drop)
        mouth = Slit(0, MOUTH_Y, half, 0.035 * drop, 0.175 * drop, (0.14, 0.34), jaw=0.62)
        size = build.eye_size
        # An eye looks up with its upper lid too.
        lift = pose.eyes * (1 - 4 * pose.gaze_y)
        eyes = [
            Slit(
                side * EYE_X,
                LID_Y,
                EYE_HALF,
                0.074 * size * lift,
                0.036 * size * pose.eyes,
                (0.13, 0.1),
                tilt=build.eye_tilt,
            )
            for side in (-1, 1)
        ]
        return Expression(mouth, eyes[0], eyes[1], pose.smile, pose.brows, build.mouth)

    def _soft(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Displacement of smile and brows at a current point (to be subtracted)."""
        ax = np.abs(x)
        g = np.exp(
            -(((ax - np.float32(self.half_mouth)) ** 2) + (y - np.float32(MOUTH_Y)) ** 2) * np.float32(1 / 0.024)
        )
        side = x / (ax + np.float32(0.03))
        dx = side * g * np.float32(0.045 * self.smile)
        dy = g * np.float32(-0.042 * self.smile)
        rise = np.exp(-((y + np.float32(0.21)) ** 2) * np.float32(1 / 0.02)) * np.exp(
            -((ax - np.float32(0.3)) ** 2) * 12
        )
        return dx, dy - rise * np.float32(0.045 * self.brows)

    def relax_jaw(self, x: Array, y: Array, z: Array) -> Array:
        """Rest y as far as the jaw goes: all that moves the shape of the head visibly."""
        if self.mouth.down < 1e-4:
            return y
        return self.mouth.relax(x, y, front=np.clip(z * 2 + np.float32(0.4), 0, 1))

    def relax(self, x: Array, y: Array, z: Array, branch: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """Rest (x, y) of current points on the face.

        ``branch`` = (above the mouth, above the eyes) chooses sides for points on the edges, as `Slit.relax` does.
        """
        dx, dy = self._soft(x, y)
        x0, y0 = x - dx, y - dy
        mouth, eyes = (None, None) if branch is None else branch
        front = np.clip(z * 2 + np.float32(0.4), 0, 1)
        y1 = self.mouth.relax(x0, y0, front=front, above=mouth)
        near = (y1 < 0.3) & (z > 0)
        left = self.left_eye.relax(x0, y1, above=eyes)
        right = self.right_eye.relax(x0, y1, above=eyes)
        return x0, np.where(near, np.where(x0 < 0, left, right), y1)

    def inside(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array, Array]:
        """Depth in the mouth and in the nearer eye (positive inside, head units), and the soft-relaxed (x, y)."""
        dx, dy = self._soft(x, y)
        x0, y0 = x - dx, y - dy
        _, top, bottom = self.mouth.edges(x0)
        mouth = np.where(z > 0, np.minimum(y0 - top, bottom - y0), -1)
        mouth = np.where(np.abs(x0) < self.mouth.half, mouth, -1)
        depth = []
        for slit in (self.left_eye, self.right_eye):
            _, top, bottom = slit.edges(x0)
            inside = np.minimum(y0 - top, bottom - y0)
            depth.append(np.where(np.abs(x0 - np.float32(slit.x)) < slit.half, inside, -1))
        eye = np.where(z > 0, np.maximum(depth[0], depth[1]), -1)
        return mouth, eye, x0, y0

    def express(
        self,
        x: Array,
        y: Array,
        z: Array,
        above_mouth: Array,
        above_eyes: Array,
        start: tuple[Array, Array],
        rounds: int = 8,
    ) -> tuple[Array, Array]:
        """Current (x, y) of rest points, by fixed-point iteration on `relax` from a guess."""
        qx, qy = start
        for _ in range(rounds):
            rx, ry = self.relax(qx, qy, z, (above_mouth, above_eyes))
            qx, qy = qx + (x - rx), qy + (y - ry)
        return qx, qy
