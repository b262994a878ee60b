"""A procedural talking head: seeded person, seeded speech-like motion, 68 landmarks, exact flow.

Three bodies (head, hair, neck with shoulders) are signed distances found by sphere tracing. What a pixel shows is
painted by its place on the *rest* face, so a feature never swims, and the same place pushed through the previous
expression and pose gives the flow. The light stands still, so a turning cheek changes colour a little: that is
shading, not a wrong flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_glasses import PLANE_Z, spectacles
from v2vcli.worlds.head_hair import REACH, Strands, hair_volume
from v2vcli.worlds.head_landmarks import Landmarks
from v2vcli.worlds.head_light import PortraitLight, light_past, normals
from v2vcli.worlds.head_look import HeadLook, draw_look
from v2vcli.worlds.head_motion import HeadMotion, HeadPose
from v2vcli.worlds.head_paint import SkinPaint, blend, paint_eye, paint_mouth, rgb
from v2vcli.worlds.head_room import background, clothes
from v2vcli.worlds.head_shape import Distance, Expression, skull, torso
from v2vcli.worlds.head_view import Placement, Traced, Triple, View, trace
from v2vcli.worlds.noise import smoothstep
from v2vcli.worlds.world import WorldFrame, agreeing_neighbours, warp_backward

Array = NDArray[Any]
_FAR = np.float32(-9.0)
# What a pixel shows, for occlusion.
_ROOM, _BODY, _SKIN, _HAIR, _EYE, _MOUTH_TOP, _MOUTH_JAW, _GLASSES = range(8)


@dataclass(frozen=True, eq=False)
class _Moment:
    """Everything that is decided by a frame's index alone."""

    pose: HeadPose
    placement: Placement
    expression: Expression


@dataclass(eq=False)
class _Canvas:
    """Flat buffers of one picture: colour, flow, and for occlusion the surface, its depth now and a frame ago."""

    picture: Array
    flow: Array
    surface: Array
    depth: Array
    depth_before: Array
    most: Array

    @staticmethod
    def blank(pixels: int) -> _Canvas:
        """Nothing but the room."""
        return _Canvas(
            np.zeros((pixels, 3), np.float32),
            np.zeros((pixels, 2), np.float32),
            np.full(pixels, _ROOM, np.int32),
            np.full(pixels, _FAR, np.float32),
            np.full(pixels, _FAR, np.float32),
            np.zeros(pixels, np.float32),
        )


class TalkingHead:
    """A world of one talking person; see the module's docstring.

    Args:
        seed: draws the person, the room and the motion.
        width: picture width in pixels, any.
        height: picture height in pixels, any.
        rate: frames per second.
    """

    def __init__(self, seed: int, width: int = 256, height: int = 256, rate: Fraction = Fraction(25)) -> None:
        self.seed, self.width, self.height, self.rate = seed, width, height, Fraction(rate)
        self.look: HeadLook = draw_look(np.random.default_rng([seed, 0x4EAD]))
        self._motion = HeadMotion(np.random.default_rng([seed, 0x3071]))
        rng = np.random.default_rng([seed, 0xFACE])
        self._skin, self._strands = SkinPaint(self.look, rng), Strands(self.look, rng)
        self._room = background(self.look, rng, width, height).reshape(-1, 3)
        self._head, self._hair, self._body = skull(self.look.build), hair_volume(self.look), torso(self.look.build)
        self._light = PortraitLight(self.look)
        self._view = View(width, height, self.look.size * min(height, 1.25 * width))
        self._landmarks = Landmarks(self.look, self._head)
        self._last: tuple[int, Array, Array] | None = None

    def frame(self, index: int) -> WorldFrame:
        """Render one frame; see `WorldFrame`. Landmarks of hidden parts (a turned cheek) are still given."""
        if index < 0:
            raise IndexError(f"frame {index}: a world starts at frame 0")
        now, before = self._moment(index), self._moment(max(0, index - 1))
        canvas = self._render(now, before)
        shape = (self.height, self.width)
        surface, depth = canvas.surface.reshape(shape), canvas.depth.reshape(shape)
        if index == 0:
            flow, valid = np.zeros((*shape, 2), np.float32), np.ones(shape, bool)
        else:
            flow = canvas.flow.reshape(*shape, 2)
            surface_before, depth_before = self._surfaces(index - 1)
            seen = warp_backward(depth_before, flow, nearest=True)
            # The same body, but another part of it (nose before cheek): depth tells.
            same = np.abs(seen - canvas.depth_before.reshape(shape)) < 0.12
            valid = agreeing_neighbours(flow, surface, surface_before) & (same | (surface == _ROOM))
        self._last = (index, surface, depth)
        image = (np.clip(canvas.picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8).reshape(*shape, 3)
        landmarks = self._landmarks.at(now.placement, now.expression, self._view)
        return WorldFrame(image=image, flow=flow, valid=valid, index=index, landmarks=landmarks)

    def pose(self, index: int) -> HeadPose:
        """The pose at a frame."""
        return self._motion.at(float(index / self.rate))

    def _moment(self, index: int) -> _Moment:
        pose = self.pose(index)
        return _Moment(pose, Placement.of(pose), Expression.of(pose, self.look.build))

    def _surfaces(self, index: int) -> tuple[Array, Array]:
        """What each pixel of a frame shows and its depth; remembered from the last call or found again."""
        if self._last is not None and self._last[0] == index:
            return self._last[1], self._last[2]
        now = self._moment(index)
        canvas = self._render(now, now, paint=False)
        return canvas.surface.reshape(self.height, self.width), canvas.depth.reshape(self.height, self.width)

    # Geometry ---------------------------------------------------------------------------------------------------------

    def _moving_head(self, now: _Moment) -> Distance:
        """The head with its jaw where it is now."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            return self._head(x, now.expression.relax_jaw(x, y, z), z)

        return distance

    def _trace_all(self, now: _Moment) -> dict[int, Traced]:
        """Find the bodies of one moment in the picture."""
        view, placement = self._view, now.placement
        bodies = {_SKIN: (self._moving_head(now), 1.0, -1.1, 1.3)}
        if self._hair is not None:
            bodies[_HAIR] = (self._hair, 1.15, -1.45, REACH.get(self.look.hair_style, 0.8))
        found: dict[int, Traced] = {}
        ox, oy = float(placement.offset[0]), float(placement.offset[1])
        for surface, (distance, side, top, bottom) in bodies.items():
            index, x, y = view.window(ox - side, ox + side, oy + top, oy + bottom)
            # Rays past the ellipse that holds the body cannot hit it.
            middle, half = oy + 0.5 * (top + bottom), 0.5 * (bottom - top)
            off = ((x - np.float32(ox)) / np.float32(side)) ** 2 + ((y - np.float32(middle)) / np.float32(half)) ** 2
            near = off < 1.1
            origin = placement.to_head(x[near], y[near], np.float32(0))
            start = 1.05 + float(placement.offset[2])
            found[surface] = trace(distance, index[near], origin, placement.ray(), start, -1.2, view.pixel)
        index, x, y = view.window(-9, 9, 0.3, 9)
        x, y = x - np.float32(now.pose.body_x), y - np.float32(now.pose.body_y)
        found[_BODY] = trace(self._body, index, (x, y, np.zeros_like(x)), (0, 0, 1), 0.45, -1.0, view.pixel)
        return found

    def _weights(self, bodies: dict[int, Traced]) -> dict[int, Array]:
        """How much of its pixels each body owns: coverage times what bodies in front let through.

        Where two surfaces cross, the nearer one takes over softly, which is what makes a hairline smooth.
        """
        pixels = self.width * self.height
        cover = {k: np.zeros(pixels, np.float32) for k in bodies}
        depth = {k: np.full(pixels, _FAR, np.float32) for k in bodies}
        for k, body in bodies.items():
            cover[k][body.index], depth[k][body.index] = body.cover, body.depth
        steep = np.float32(0.35 * self._view.scale)
        weights = {}
        for k, body in bodies.items():
            weight = body.cover.copy()
            for other in bodies:
                if other != k:
                    ahead = np.clip(np.float32(0.5) + (depth[other][body.index] - body.depth) * steep, 0, 1)
                    weight *= 1 - cover[other][body.index] * ahead
            weights[k] = weight
        return weights

    # Picture ----------------------------------------------------------------------------------------------------------

    def _render(self, now: _Moment, before: _Moment, *, paint: bool = True) -> _Canvas:
        """Draw everything; without ``paint`` only what decides occlusion."""
        canvas = _Canvas.blank(self.width * self.height)
        bodies = self._trace_all(now)
        room = np.ones(self.width * self.height, np.float32)
        for k, weight in self._weights(bodies).items():
            room[bodies[k].index] -= weight
            seen = weight > 0.004
            body, weight = bodies[k].take(seen), weight[seen]
            if k == _BODY:
                ids, back = np.full(len(weight), k), self._body_before(body, before)
                colour = self._paint_body(body, now) if paint else None
            elif k == _HAIR:
                ids, back = np.full(len(weight), k), before.placement.to_camera(body.x, body.y, body.z)
                colour = self._paint_hair(body, now) if paint else None
            else:
                colour, ids, back = self._face(body, now, before, paint=paint)
            if colour is not None:
                canvas.picture[body.index] += colour * weight[:, None]
            wins = weight > canvas.most[body.index]
            canvas.most[body.index[wins]] = weight[wins]
            self._put(
                canvas, body.index[wins], ids[wins], body.depth[wins], (back[0][wins], back[1][wins], back[2][wins])
            )
        empty = room > canvas.most
        canvas.surface[empty], canvas.flow[empty], canvas.depth[empty], canvas.depth_before[empty] = (
            _ROOM,
            0,
            _FAR,
            _FAR,
        )
        canvas.picture += self._room * np.clip(room, 0, 1)[:, None]
        if self.look.glasses != "none":
            self._wear_glasses(canvas, now, before)
        return canvas

    def _put(self, canvas: _Canvas, at: Array, surface: Array, depth: Array, back: Triple) -> None:
        """Write what is shown at flat indices; ``back`` is where it was, in the previous camera frame."""
        u, v = self._view.to_pixels(back[0], back[1])
        canvas.flow[at, 0], canvas.flow[at, 1] = u - (at % self.width), v - (at // self.width)
        canvas.surface[at], canvas.depth[at], canvas.depth_before[at] = surface, depth, back[2]

    def _body_before(self, body: Traced, before: _Moment) -> Triple:
        return body.x + np.float32(before.pose.body_x), body.y + np.float32(before.pose.body_y), body.depth

    def _paint_body(self, body: Traced, now: _Moment) -> Array:
        cloth, weight, gloss = clothes(self.look, body.x, body.y, body.z, self._view.pixel)
        skin = np.repeat(rgb(self.look.skin)[None, :] * np.float32(0.97), len(weight), 0)
        # The chin keeps light off the neck.
        pose, placement = now.pose, now.placement
        x, y = body.x + np.float32(pose.body_x), body.y + np.float32(pose.body_y)
        light = placement.rotation.T @ self._light.direction
        passed = light_past(self._head, *placement.to_head(x, y, body.z), light, 0.55, 0.5)
        normal = normals(self._body, body, None)
        shadow = np.float32(0.25) + np.float32(0.75) * passed
        return self._light.shade(skin + (cloth - skin) * weight[:, None], normal, gloss, shadow, skin=True)

    def _paint_hair(self, body: Traced, now: _Moment) -> Array:
        assert self._hair is not None
        albedo, streak = self._strands.albedo(body.x, body.y, body.z, self._view.pixel)
        normal = normals(self._hair, body, now.placement.rotation)
        lit = self._light.shade(albedo, normal, np.zeros_like(streak), np.ones_like(streak), skin=False)
        return lit + self._strands.shine(normal, streak, self._light.direction)

    def _face(self, s: Traced, now: _Moment, before: _Moment, *, paint: bool) -> tuple[Array | None, Array, Triple]:
        """Colour, surface ids and previous camera place of the pixels of the head."""
        expression, then = now.expression, before.expression
        mouth, eye, x0, y0 = expression.inside(s.x, s.y, s.z)
        in_mouth = mouth > 0
        in_eye = (eye > 0) & ~in_mouth
        rest_x, rest_y = expression.relax(s.x, s.y, s.z)
        inner, with_jaw = paint_mouth(expression, x0[in_mouth], y0[in_mouth], mouth[in_mouth], self._view.pixel)
        ids = np.where(in_eye, _EYE, _SKIN)
        ids[in_mouth] = np.where(with_jaw, _MOUTH_JAW, _MOUTH_TOP)
        colour = None
        if paint:
            colour, shadow = self._paint_skin(s, now, rest_x, rest_y)
            self._paint_eyes(colour, shadow, now, x0, y0, eye)
            rim = smoothstep(0, 1.4 * self._view.pixel, mouth[in_mouth])
            colour[in_mouth] = blend(colour[in_mouth], inner, rim)
        # Skin: its rest place pushed through the previous expression. Eyes turn with the gaze; upper teeth stay.
        slit = np.where(rest_x < 0, expression.left_eye.edges(rest_x)[0], expression.right_eye.edges(rest_x)[0])
        above_mouth, above_eyes = rest_y < expression.mouth.y, rest_y < slit
        qx, qy = then.express(rest_x, rest_y, s.z, above_mouth, above_eyes, (s.x, s.y))
        jaw = np.where(ids == _MOUTH_JAW, np.float32(then.mouth.down - expression.mouth.down), np.float32(0))
        look_x, look_y = before.pose.gaze_x - now.pose.gaze_x, before.pose.gaze_y - now.pose.gaze_y
        qx = np.where(in_eye, s.x + np.float32(look_x), np.where(in_mouth, s.x, qx))
        qy = np.where(in_eye, s.y + np.float32(look_y), np.where(in_mouth, s.y + jaw, qy))
        return colour, ids, before.placement.to_camera(qx, qy, s.z)

    def _paint_skin(self, s: Traced, now: _Moment, rest_x: Array, rest_y: Array) -> tuple[Array, Array]:
        """Lit skin (N, 3), and how much of the key light arrives (N,)."""
        albedo, gloss = self._skin.albedo(rest_x, rest_y, s.z, self._view.pixel)
        light = now.placement.rotation.T @ self._light.direction
        passed = light_past(self._head, s.x, rest_y, s.z, light, 0.22, 0.16)
        if self._hair is not None:
            passed = np.minimum(passed, light_past(self._hair, s.x, s.y, s.z, light, 0.2, 0.22))
        normal = normals(self._moving_head(now), s, now.placement.rotation)
        shadow = np.float32(0.35) + np.float32(0.65) * passed
        return self._light.shade(albedo, normal, gloss, shadow, skin=True), passed

    def _paint_eyes(self, colour: Array, passed: Array, now: _Moment, x: Array, y: Array, eye: Array) -> None:
        pixel = self._view.pixel
        near = np.flatnonzero(eye > -pixel)
        side = float(self._light.direction[0])
        ball = paint_eye(self.look, now.pose, side, x[near], y[near], np.maximum(eye[near], 0), pixel)
        ball *= (np.float32(0.45) + np.float32(0.55) * passed[near])[:, None]
        colour[near] = blend(colour[near], ball, smoothstep(-0.7 * pixel, 0.7 * pixel, eye[near]))

    def _wear_glasses(self, canvas: _Canvas, now: _Moment, before: _Moment) -> None:
        """Draw frames, a faint tint and a glint over what is behind them; they move with the head."""
        placement = now.placement
        cx, cy = placement.offset[0] + PLANE_Z * placement.rotation[0, 2], placement.offset[1]
        index, px, py = self._view.window(cx - 0.9, cx + 0.9, cy - 0.7, cy + 0.8)
        x, y, z = placement.to_head(px, py, np.float32(0))
        ray = placement.ray()
        t = (np.float32(PLANE_Z) - z) / np.float32(ray[2])
        x, y = x + t * np.float32(ray[0]), y + t * np.float32(ray[1])
        frame, lens, glint = spectacles(self.look, x, y, self._view.pixel)
        frame = frame * (canvas.depth[index] < t + 0.02)
        behind = canvas.picture[index] * (1 - np.float32(0.05) * lens)[:, None] + (glint * np.float32(0.09))[:, None]
        canvas.picture[index] = blend(behind, rgb(self.look.frame_colour), frame)
        solid = np.flatnonzero(frame > 0.5)
        back = before.placement.to_camera(x[solid], y[solid], np.full(len(solid), PLANE_Z, np.float32))
        self._put(canvas, index[solid], np.full(len(solid), _GLASSES), t[solid], back)
