"""How a talking head moves: every movement is an analytic function of time, so any frame can be asked for first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from v2vcli.worlds.noise import Wander


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Where the head is and what the face does at one moment.

    Angles are radians, lengths are head units (half the height of a head). ``mouth`` and ``eyes`` say how far the slits
    are open (0 to 1); ``smile`` runs from -1 (pursed) to 1; ``gaze_x``/``gaze_y`` shift the iris.
    """

    yaw: float
    pitch: float
    roll: float
    x: float
    y: float
    body_x: float
    body_y: float
    mouth: float
    smile: float
    eyes: float
    brows: float
    gaze_x: float
    gaze_y: float

    def rotation(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """(3, 3) matrix, head frame to camera frame (x right, y down, z to the viewer)."""
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        cp, sp = math.cos(self.pitch), math.sin(self.pitch)
        cr, sr = math.cos(self.roll), math.sin(self.roll)
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]] = roll @ pitch @ yaw
        return matrix


class HeadMotion:
    """The seeded motion of one person: temperament drawn once, then functions of time."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the temperament and all phases from ``rng``."""
        self._lively = rng.uniform(0.5, 1.0)
        self._yaw, self._pitch, self._roll = (Wander(rng, 0.05, 0.6) for _ in range(3))
        self._x, self._y = Wander(rng, 0.04, 0.35), Wander(rng, 0.05, 0.5)
        self._body = Wander(rng, 0.04, 0.3)
        self._phrase, self._stress = Wander(rng, 0.12, 0.5, 3), Wander(rng, 0.5, 1.7, 3)
        self._syllable = Wander(rng, 2.2, 5.0, 3)
        self._smile, self._pucker = Wander(rng, 0.05, 0.3), Wander(rng, 1.0, 3.0, 3)
        self._brows, self._look_x, self._look_y = (Wander(rng, 0.1, 0.9) for _ in range(3))
        self._cheer = rng.uniform(-0.1, 0.5)
        self._talkative = rng.uniform(0.1, 0.6)
        self._lids = rng.uniform(0.78, 1.0)
        self._yaw_rest = rng.uniform(-0.18, 0.18)
        self._blink_every = rng.uniform(2.2, 4.2)
        self._blink_jitter = rng.uniform(0.1, 0.9, 64)
        self._breath = rng.uniform(0.2, 0.33)

    def _blink(self, seconds: float) -> float:
        """0 with open eyes, 1 at the bottom of a blink; one blink in each slot of time, at a drawn moment."""
        closed = 0.0
        slot = math.floor(seconds / self._blink_every)
        for k in (slot - 1, slot, slot + 1):
            at = (k + self._blink_jitter[k % len(self._blink_jitter)]) * self._blink_every
            d = seconds - at
            # Lids fall faster than they rise.
            closed = max(closed, math.exp(-((d / (0.06 if d < 0 else 0.1)) ** 4)))
        return closed

    def at(self, seconds: float) -> HeadPose:
        """The pose at a moment in seconds."""
        t = seconds
        talking = 1 / (1 + math.exp(-6 * (self._phrase(t) + self._talkative)))
        open_mouth = talking * max(0.0, 0.42 + 0.5 * self._syllable(t)) * (0.75 + 0.35 * self._stress(t))
        lively = self._lively
        # The gaze rests and jumps: a squashed wander.
        look_x, look_y = math.tanh(4 * self._look_x(t)), math.tanh(3 * self._look_y(t))
        breath = math.sin(2 * math.pi * self._breath * t)
        return HeadPose(
            yaw=self._yaw_rest + 0.42 * lively * self._yaw(t),
            pitch=0.16 * lively * self._pitch(t) + 0.02 * talking * self._stress(t),
            roll=0.12 * lively * self._roll(t),
            x=0.16 * lively * self._x(t),
            y=0.07 * lively * self._y(t),
            body_x=0.1 * lively * self._body(t) + 0.07 * lively * self._x(t),
            body_y=0.012 * breath,
            mouth=min(1.0, max(0.0, open_mouth)),
            smile=max(-1.0, min(1.0, self._cheer + 0.6 * self._smile(t) + 0.45 * talking * self._pucker(t))),
            eyes=max(0.0, self._lids * (1 - self._blink(t))),
            brows=0.75 * self._brows(t) + 0.2 * talking * self._stress(t),
            gaze_x=0.036 * look_x,
            gaze_y=0.014 * look_y,
        )
