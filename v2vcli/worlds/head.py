"""A procedural talking head: seeded person, seeded speech-like motion, 68 landmarks, exact flow.

Three solid bodies (head, hair, neck with shoulders) are given as signed distances and found by sphere tracing, all pixels
of a body at once; view is orthographic. What a pixel shows is painted by its place on the *rest* face, so a feature
never swims, and the same place pushed through the previous pose gives the flow. Silhouettes are anti-aliased by the nearest
distance at which a ray passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_hair import Strands, hair_volume
from v2vcli.worlds.head_look import HeadLook, draw_look
from v2vcli.worlds.head_motion import HeadMotion, HeadPose
from v2vcli.worlds.head_paint import SkinPaint, blend, paint_eye, paint_mouth, rgb
from v2vcli.worlds.head_room import background, clothes
from v2vcli.worlds.head_shape import MOUTH_Y, Distance, Expression, skull, torso
from v2vcli.worlds.noise import smoothstep
from v2vcli.worlds.world import WorldFrame, agreeing_neighbours, warp_backward

Array = NDArray[Any]
EYE_LINE = 0.012
_PIVOT = np.array([0.0, 0.75, -0.3])
_FAR = np.float32(-9.0)
# Surface ids of a rendered pixel, for occlusion.
_ROOM, _BODY, _SKIN, _HAIR, _EYE, _MOUTH_TOP, _MOUTH_JAW, _GLASSES = range(8)


@dataclass(eq=False)
class _Solid:
    """One traced body: for its pixels (flat indices), coverage, camera depth and position in its own frame."""

    index: Array
    cover: Array
    depth: Array
    x: Array
    y: Array
    z: Array


def _trace(
    distance: Distance,
    index: Array,
    origin: tuple[Array, Array, Array],
    ray: tuple[float, float, float],
    start: Array,
    far: float,
    pixel: float,
) -> _Solid:
    """Sphere-trace rays ``origin + t * ray`` with t falling from ``start`` to ``far``; misses keep their closest approach."""
    ox, oy, oz = origin
    rx, ry, rz = (np.float32(r) for r in ray)
    t = start.astype(np.float32).copy()
    best, best_t = np.full_like(t, 9.0), t.copy()
    active = np.arange(len(t))
    ax, ay, az, at = ox, oy, oz, t
    for step in range(22):
        d = distance(ax + at * rx, ay + at * ry, az + at * rz)
        closer = d < best[active]
        chosen = active[closer]
        best[chosen] = d[closer]
        best_t[chosen] = at[closer]
        at = at - d
        if step >= 2:
            keep = (np.abs(d) > np.float32(0.0015)) & (at > far)
            active, ax, ay, az, at = active[keep], ax[keep], ay[keep], az[keep], at[keep]
            if not len(active):
                break
    cover = np.clip(np.float32(0.5) - (best - np.float32(0.003)) * np.float32(1 / pixel), 0, 1)
    cover = np.where(best < 0.0016, 1, cover).astype(np.float32)
    keep = cover > 0.01
    t = best_t[keep]
    return _Solid(index[keep], cover[keep], t, ox[keep] + t * rx, oy[keep] + t * ry, oz[keep] + t * rz)


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
        rng = np.random.default_rng([seed, 0x4EAD])
        self.look: HeadLook = draw_look(rng)
        self._motion = HeadMotion(np.random.default_rng([seed, 0x3071]))
        paint_rng = np.random.default_rng([seed, 0xFACE])
        self._skin, self._strands = SkinPaint(self.look, paint_rng), Strands(self.look, paint_rng)
        self._room = background(self.look, paint_rng, width, height)
        self._head_sdf, self._hair_sdf, self._body_sdf = (
            skull(self.look.build),
            hair_volume(self.look),
            torso(self.look.build),
        )
        self.scale = self.look.size * min(height, 1.25 * width)
        self._centre = (0.5 * (width - 1), 0.49 * (height - 1))
        light = np.array(self.look.light)
        self._light = (light / np.linalg.norm(light)).astype(np.float32)
        self._cache: dict[int, tuple[Array, Array, Array]] = {}
        self._landmarks = self._rest_landmarks()

    def pose(self, index: int) -> HeadPose:
        """The pose at a frame (index -1 is the moment before the first)."""
        return self._motion.at(float(index / self.rate))

    # Frames between camera (head units, pixels) and bodies ------------------------------------------------------------

    def _placement(self, pose: HeadPose) -> tuple[Array, Array]:
        """Rotation R and offset o of the head: camera point = R p + o, head units."""
        rotation = pose.rotation()
        return rotation, _PIVOT - rotation @ _PIVOT + np.array([pose.x + 0.5 * pose.body_x, pose.y, 0.0])

    def _to_pixels(self, x: Array, y: Array) -> tuple[Array, Array]:
        return x * np.float32(self.scale) + np.float32(self._centre[0]), y * np.float32(self.scale) + np.float32(
            self._centre[1]
        )

    def _project(self, pose: HeadPose, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Pixels and camera depth of head-frame points."""
        r, o = self._placement(pose)
        cx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + o[0]
        cy = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + o[1]
        cz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + o[2]
        return (*self._to_pixels(cx.astype(np.float32), cy.astype(np.float32)), cz.astype(np.float32))

    def _window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[Array, Array, Array]:
        """Flat indices and camera coordinates of the pixels in a box given in head units."""
        s, (cx, cy) = self.scale, self._centre
        c0, c1 = max(0, int(x0 * s + cx)), min(self.width, int(x1 * s + cx) + 2)
        r0, r1 = max(0, int(y0 * s + cy)), min(self.height, int(y1 * s + cy) + 2)
        if c1 <= c0 or r1 <= r0:
            empty = np.zeros(0, np.float32)
            return empty.astype(np.intp), empty, empty
        columns, rows = np.meshgrid(np.arange(c0, c1), np.arange(r0, r1))
        index = (rows * self.width + columns).ravel()
        x = ((columns - cx) / s).astype(np.float32).ravel()
        y = ((rows - cy) / s).astype(np.float32).ravel()
        return index, x, y

    # Rendering --------------------------------------------------------------------------------------------------------

    def _solve(self, pose: HeadPose, expression: Expression) -> dict[int, _Solid]:
        """Trace the bodies of one moment."""
        pixel = 1 / self.scale
        rotation, offset = self._placement(pose)
        inverse = rotation.T
        solids: dict[int, _Solid] = {}

        def moving_head(x: Array, y: Array, z: Array) -> Array:
            return self._head_sdf(x, expression.relax_jaw(x, y, z), z)

        neck = offset + rotation @ np.array([0.0, 0.0, 0.0])
        ox, oy = float(neck[0]), float(neck[1])
        bounds = {_SKIN: (moving_head, 1.0, -1.1, 1.3)}
        if self._hair_sdf is not None:
            bottom = {"long": 1.95, "bob": 1.1, "fringe": 1.1}.get(self.look.hair_style, 0.8)
            bounds[_HAIR] = (self._hair_sdf, 1.15, -1.45, bottom)
        for surface, (sdf, side, top, bottom) in bounds.items():
            index, px, py = self._window(ox - side, ox + side, oy + top, oy + bottom)
            x, y = px - np.float32(offset[0]), py - np.float32(offset[1])
            z = np.float32(-offset[2])
            i = inverse.astype(np.float32)
            origin = (
                i[0, 0] * x + i[0, 1] * y + i[0, 2] * z,
                i[1, 0] * x + i[1, 1] * y + i[1, 2] * z,
                i[2, 0] * x + i[2, 1] * y + i[2, 2] * z,
            )
            ray = (float(i[0, 2]), float(i[1, 2]), float(i[2, 2]))
            # Rays outside the ball that holds the body cannot hit; the others start on it.
            centre_y = 0.5 * (top + bottom)
            radius = 0.5 * (bottom - top)
            reach = (y - np.float32(centre_y)) ** 2 * np.float32((side / radius) ** 2) + x * x
            inside = reach < np.float32((side * 1.05) ** 2)
            index, origin = index[inside], (origin[0][inside], origin[1][inside], origin[2][inside])
            start = np.full(len(index), 1.05 + offset[2], np.float32)
            solids[surface] = _trace(sdf, index, origin, ray, start, -1.2, pixel)
        index, x, y = self._window(-9, 9, 0.3, 9)
        bx, by = x - np.float32(pose.body_x), y - np.float32(pose.body_y)
        solids[_BODY] = _trace(
            self._body_sdf,
            index,
            (bx, by, np.zeros_like(bx)),
            (0, 0, 1),
            np.full(len(index), 0.45, np.float32),
            -1.0,
            pixel,
        )
        return solids

    def _normal(self, sdf: Distance, solid: _Solid, rotation: Array | None) -> tuple[Array, Array, Array]:
        """Unit normals in the camera frame, by forward differences."""
        e = np.float32(0.012)
        base = sdf(solid.x, solid.y, solid.z)
        nx = sdf(solid.x + e, solid.y, solid.z) - base
        ny = sdf(solid.x, solid.y + e, solid.z) - base
        nz = sdf(solid.x, solid.y, solid.z + e) - base
        if rotation is not None:
            r = rotation.astype(np.float32)
            nx, ny, nz = (r[k, 0] * nx + r[k, 1] * ny + r[k, 2] * nz for k in range(3))
        scale = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
        return nx * scale, ny * scale, nz * scale

    def _light_up(
        self, colour: Array, normal: tuple[Array, Array, Array], gloss: Array, shadow: Array, *, skin: bool
    ) -> Array:
        """Soft key light, sky fill, rim and a highlight; skin lets red through at the terminator."""
        nx, ny, nz = normal
        lx, ly, lz = (float(v) for v in self._light)
        lambert = nx * np.float32(lx) + ny * np.float32(ly) + nz * np.float32(lz)
        wrap = 0.35 if skin else 0.15
        key = np.clip((lambert + np.float32(wrap)) * np.float32(1 / (1 + wrap)), 0, 1) * shadow
        fill = np.float32(0.30) - np.float32(0.10) * ny + np.float32(0.05) * nz
        w = np.float32(0.04 * self.look.warmth)
        light = np.stack(
            (
                fill * (1 - w) + key * np.float32(0.80) * (1 + w),
                fill + key * np.float32(0.80),
                fill * (1 + w) + key * np.float32(0.80) * (1 - w),
            ),
            1,
        )
        if skin:
            bleed = np.exp(-(((lambert + np.float32(0.02)) * np.float32(1 / 0.22)) ** 2)) * shadow
            light[:, 0] += np.float32(0.055) * bleed
        lit = colour * light
        # Half vector between the light and the viewer (0, 0, 1).
        h = np.array([lx, ly, lz + 1.0])
        h /= np.linalg.norm(h)
        nh = np.clip(nx * np.float32(h[0]) + ny * np.float32(h[1]) + nz * np.float32(h[2]), 0, 1)
        spec = (nh**24 * np.float32(0.13) + nh**90 * np.float32(0.10)) * gloss * shadow
        rim = (
            (1 - np.clip(nz, 0, 1)) ** 3
            * np.clip(-nx * np.float32(np.sign(lx)) * np.float32(0.7) - ny * np.float32(0.3), 0, 1)
            * np.float32(0.16)
        )
        return lit + (spec + rim * np.float32(0.8))[:, None]

    def _shadow(
        self, blocker: Distance, x: Array, y: Array, z: Array, light: Array, reach: float, softness: float
    ) -> Array:
        """How much light passes a body on the way to points of its frame (1: all), by two looks along the ray."""
        passed = np.ones_like(x)
        for part in (0.4, 1.0):
            d = blocker(
                x + np.float32(light[0] * reach * part),
                y + np.float32(light[1] * reach * part),
                z + np.float32(light[2] * reach * part),
            )
            passed = np.minimum(passed, np.clip(np.float32(0.5) + d * np.float32(1 / (softness * (0.4 + part))), 0, 1))
        return passed

    def _compose(self, solids: dict[int, _Solid]) -> dict[int, Array]:
        """Weight of each body in its pixels: coverage times what bodies in front let through, soft where depths cross."""
        size = self.width * self.height
        cover = {k: np.zeros(size, np.float32) for k in solids}
        depth = {k: np.full(size, _FAR, np.float32) for k in solids}
        for k, solid in solids.items():
            cover[k][solid.index] = solid.cover
            depth[k][solid.index] = solid.depth
        weights = {}
        steep = np.float32(0.35 * self.scale)
        for k, solid in solids.items():
            weight = solid.cover.copy()
            for other in solids:
                if other != k:
                    at = solid.index
                    front = np.clip(np.float32(0.5) + (depth[other][at] - solid.depth) * steep, 0, 1)
                    weight *= 1 - cover[other][at] * front
            weights[k] = weight
        return weights

    def frame(self, index: int) -> WorldFrame:
        """Render one frame; see `WorldFrame`. Landmarks of hidden parts (a turned cheek) are still given."""
        if index < 0:
            raise IndexError(f"frame {index}: a world starts at frame 0")
        pose, before = self.pose(index), self.pose(max(0, index - 1))
        expression, expression_before = (Expression.of(p, self.look.build) for p in (pose, before))
        image, flow, surface, depth, expected = self._render(pose, expression, before, expression_before)
        shape = (self.height, self.width)
        landmarks = self._place_landmarks(pose, expression)
        if index == 0:
            valid = np.ones(shape, bool)
            flow = np.zeros((*shape, 2), np.float32)
        else:
            if index - 1 not in self._cache:
                then = self.pose(max(0, index - 2))
                _, _, surface_before, depth_before, _ = self._render(
                    before, expression_before, then, Expression.of(then, self.look.build), paint=False
                )
                self._cache = {index - 1: (surface_before, depth_before, depth_before)}
            surface_before, depth_before, _ = self._cache[index - 1]
            valid = agreeing_neighbours(flow, surface, surface_before)
            seen = warp_backward(depth_before, flow, nearest=True)
            valid &= (np.abs(seen - expected) < 0.12) | (surface == _ROOM)
        self._cache = {index: (surface, depth, depth)}
        return WorldFrame(image=image, flow=flow, valid=valid, index=index, landmarks=landmarks)

    def _render(
        self,
        pose: HeadPose,
        expression: Expression,
        before: HeadPose,
        expression_before: Expression,
        *,
        paint: bool = True,
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Image, flow, surface ids, camera depth, and the depth each pixel's surface had in the previous frame."""
        look, pixel = self.look, 1 / self.scale
        solids = self._solve(pose, expression)
        weights = self._compose(solids)
        rotation, _ = self._placement(pose)
        light_head = (rotation.T @ self._light).astype(np.float32)
        size = self.width * self.height
        picture = self._room.reshape(-1, 3).copy()
        room_share = np.ones(size, np.float32)
        surface = np.zeros(size, np.int32)
        depth = np.full(size, _FAR, np.float32)
        expected = np.full(size, _FAR, np.float32)
        flow = np.zeros((size, 2), np.float32)
        most = np.full(size, 0.0, np.float32)
        added = np.zeros((size, 3), np.float32)
        for k, solid in solids.items():
            weight = weights[k]
            room_share[solid.index] -= weight
            seen = weight > 0.004
            s = _Solid(
                solid.index[seen], solid.cover[seen], solid.depth[seen], solid.x[seen], solid.y[seen], solid.z[seen]
            )
            weight = weight[seen]
            ids = np.full(len(s.index), k, np.int32)
            if k == _BODY:
                px, py = s.x + np.float32(before.body_x), s.y + np.float32(before.body_y)
                u, v = self._to_pixels(px, py)
                then_z = s.depth
                colour = self._paint_body(s, pose, pixel, solids) if paint else None
            elif k == _HAIR:
                u, v, then_z = self._project(before, s.x, s.y, s.z)
                colour = self._paint_hair(s, rotation, pixel) if paint else None
            else:
                colour, ids, (u, v, then_z) = self._paint_head(
                    s, pose, expression, before, expression_before, rotation, light_head, pixel, paint
                )
            if paint and colour is not None:
                added[s.index] += colour * weight[:, None]
            wins = weight > most[s.index]
            at = s.index[wins]
            most[at] = weight[wins]
            surface[at], depth[at], expected[at] = ids[wins], s.depth[wins], then_z[wins]
            flow[at, 0] = u[wins] - (at % self.width)
            flow[at, 1] = v[wins] - (at // self.width)
        room = room_share > most
        surface[room], flow[room], depth[room], expected[room] = _ROOM, 0, _FAR, _FAR
        picture = picture * np.clip(room_share, 0, 1)[:, None] + added
        if look.glasses != "none":
            self._wear_glasses(picture, flow, surface, depth, expected, pose, before)
        image = (np.clip(picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
        shape = (self.height, self.width)
        return (
            image.reshape(*shape, 3),
            flow.reshape(*shape, 2),
            surface.reshape(shape),
            depth.reshape(shape),
            expected.reshape(shape),
        )

    def _paint_body(self, s: _Solid, pose: HeadPose, pixel: float, solids: dict[int, _Solid]) -> Array:
        cloth, weight, gloss = clothes(self.look, s.x, s.y, s.z, pixel)
        normal = self._normal(self._body_sdf, s, None)
        rotation, offset = self._placement(pose)
        # The head (a plain ellipsoid is enough) and its chin keep light off the neck.
        to_head = rotation.T.astype(np.float32)
        dx, dy, dz = (
            s.x + np.float32(pose.body_x - offset[0]),
            s.y + np.float32(pose.body_y - offset[1]),
            s.z - np.float32(offset[2]),
        )
        hx, hy, hz = (to_head[k, 0] * dx + to_head[k, 1] * dy + to_head[k, 2] * dz for k in range(3))
        light = (rotation.T @ self._light).astype(np.float32)
        shadow = self._shadow(self._head_sdf, hx, hy, hz, light, 0.55, 0.5)
        skin = np.repeat(rgb(self.look.skin)[None, :] * np.float32(0.97), len(s.x), 0)
        colour = skin + (cloth - skin) * weight[:, None]
        lit_skin = self._light_up(colour, normal, gloss, np.float32(0.25) + np.float32(0.75) * shadow, skin=True)
        return np.asarray(lit_skin)

    def _paint_hair(self, s: _Solid, rotation: Array, pixel: float) -> Array:
        assert self._hair_sdf is not None
        albedo, streak = self._strands.albedo(s.x, s.y, s.z, pixel)
        nx, ny, nz = self._normal(self._hair_sdf, s, rotation)
        shadow = np.ones_like(nx)
        lit = self._light_up(albedo, (nx, ny, nz), np.zeros_like(nx), shadow, skin=False)
        # Strands shine in a band across the head.
        lift = nx * self._light[0] + (ny - np.float32(0.03) * streak) * self._light[1] + nz * np.float32(0.75)
        band = np.exp(-(((lift - np.float32(0.80)) * np.float32(1 / 0.13)) ** 2))
        tone = np.sqrt(rgb(self.look.hair)) * np.float32(0.6) + np.float32(0.2)
        return lit + tone[None, :] * (band * np.float32(0.17) * (1 + np.float32(0.3) * streak))[:, None]

    def _paint_head(
        self,
        s: _Solid,
        pose: HeadPose,
        expression: Expression,
        before: HeadPose,
        expression_before: Expression,
        rotation: Array,
        light: Array,
        pixel: float,
        paint: bool,
    ) -> tuple[Array | None, Array, tuple[Array, Array, Array]]:
        mouth, eye, x0, y0 = expression.inside(s.x, s.y, s.z)
        in_mouth, in_eye = mouth > 0, (eye > 0) & ~(mouth > 0)
        rest_x, rest_y = expression.relax(s.x, s.y, s.z)
        ids = np.full(len(s.x), _SKIN, np.int32)
        ids[in_eye] = _EYE
        colour = None
        jaw = np.zeros(0, bool)
        if in_mouth.any():
            inner, jaw = paint_mouth(expression, x0[in_mouth], y0[in_mouth], mouth[in_mouth], pixel)
            ids[in_mouth] = np.where(jaw, _MOUTH_JAW, _MOUTH_TOP)
        if paint:
            albedo, gloss = self._skin.albedo(rest_x, rest_y, s.z, pixel)

            def moving(x: Array, y: Array, z: Array) -> Array:
                return self._head_sdf(x, expression.relax_jaw(x, y, z), z)

            normal = self._normal(moving, s, rotation)
            shadow = self._shadow(self._head_sdf, s.x, rest_y, s.z, light, 0.22, 0.16)
            if self._hair_sdf is not None:
                shadow = np.minimum(shadow, self._shadow(self._hair_sdf, s.x, s.y, s.z, light, 0.2, 0.22))
            colour = self._light_up(albedo, normal, gloss, np.float32(0.35) + np.float32(0.65) * shadow, skin=True)
            near = eye > -2 * pixel
            if near.any():
                ball = paint_eye(
                    self.look, pose, float(self._light[0]), x0[near], y0[near], np.maximum(eye[near], 0), pixel
                )
                # The ball is lit by the same light, softly.
                ball *= np.clip(np.float32(0.45) + np.float32(0.55) * shadow[near], 0, 1)[:, None]
                colour[near] = blend(colour[near], ball, smoothstep(-0.7 * pixel, 0.7 * pixel, eye[near]))
            if in_mouth.any():
                colour[in_mouth] = blend(colour[in_mouth], inner, smoothstep(0, 1.4 * pixel, mouth[in_mouth]))
        # Where the same skin was before: rest place, pushed through the previous expression and pose.
        above_mouth, above_eyes = rest_y < expression.mouth.y, self._above_eye(expression, rest_x, rest_y)
        qx, qy = expression_before.express(rest_x, rest_y, s.z, above_mouth, above_eyes, (s.x, s.y))
        qx = np.where(in_eye, s.x + np.float32(before.gaze_x - pose.gaze_x), np.where(in_mouth, s.x, qx))
        drop = np.float32(expression_before.mouth.down - expression.mouth.down)
        inner_y = s.y + np.where(ids == _MOUTH_JAW, drop, np.float32(0))
        qy = np.where(in_eye, s.y + np.float32(before.gaze_y - pose.gaze_y), np.where(in_mouth, inner_y, qy))
        return colour, ids, self._project(before, qx, qy, s.z)

    @staticmethod
    def _above_eye(expression: Expression, x: Array, y: Array) -> Array:
        slit = np.where(x < 0, expression.left_eye.edges(x)[0], expression.right_eye.edges(x)[0])
        above: Array = y < slit
        return above

    def _wear_glasses(
        self,
        picture: Array,
        flow: Array,
        surface: Array,
        depth: Array,
        expected: Array,
        pose: HeadPose,
        before: HeadPose,
    ) -> None:
        """Frames in a plane before the eyes, with temples' hinges, a faint tint and a glint; rigid with the head."""
        rotation, offset = self._placement(pose)
        plane = np.float32(0.73)
        box = self._window(
            offset[0] - 1 + 0.7 * rotation[0, 2], offset[0] + 1 + 0.7 * rotation[0, 2], offset[1] - 0.7, offset[1] + 0.8
        )
        index, px, py = box
        x, y, z = px - np.float32(offset[0]), py - np.float32(offset[1]), -np.float32(offset[2])
        i = rotation.T.astype(np.float32)
        hx, hy, hz = (i[k, 0] * x + i[k, 1] * y + i[k, 2] * z for k in range(3))
        t = (plane - hz) / i[2, 2]
        gx, gy = hx + t * i[0, 2], hy + t * i[1, 2]
        ax = np.abs(gx)
        if self.look.glasses == "round":
            d = np.sqrt((ax - np.float32(0.305)) ** 2 + (gy - np.float32(0.03)) ** 2) - np.float32(0.205)
        else:
            qx, qy = (
                np.abs(ax - np.float32(0.315)) - np.float32(0.14),
                np.abs(gy - np.float32(0.025)) - np.float32(0.085),
            )
            d = (
                np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2)
                + np.minimum(np.maximum(qx, qy), 0)
                - np.float32(0.065)
            )
        pixel = 1 / self.scale
        thick = np.float32(0.017)
        rim = smoothstep(0.6 * pixel, -0.6 * pixel, np.abs(d) - thick)
        bridge = np.maximum(np.abs(gy + np.float32(0.02) - np.float32(0.25) * gx * gx) - thick, ax - np.float32(0.13))
        hinge = np.maximum(
            np.abs(gy + np.float32(0.03)) - thick, np.maximum(np.float32(0.5) - ax, ax - np.float32(0.6))
        )
        rim = np.maximum(rim, smoothstep(0.6 * pixel, -0.6 * pixel, np.minimum(bridge, hinge)))
        lens = smoothstep(0.6 * pixel, -0.6 * pixel, d)
        rim = rim * (depth[index] < t + 0.02)
        on = (lens > 0) | (rim > 0)
        index, gx, gy, rim, lens, t = index[on], gx[on], gy[on], rim[on], lens[on], t[on]
        glint = smoothstep(
            0.03,
            0.0,
            np.abs(gx - np.sign(gx) * np.float32(0.33) + (gy + np.float32(0.05)) * np.float32(0.7)) - np.float32(0.012),
        ) * smoothstep(0.02, -0.08, gy)
        under = picture[index] * (1 - np.float32(0.05) * lens)[:, None] + (glint * lens * np.float32(0.09))[:, None]
        picture[index] = blend(under, rgb(self.look.frame_colour), rim)
        solid = rim > 0.5
        at = index[solid]
        u, v, then = self._project(before, gx[solid], gy[solid], np.full(len(at), plane, np.float32))
        flow[at, 0], flow[at, 1] = u - (at % self.width), v - (at // self.width)
        surface[at], depth[at], expected[at] = _GLASSES, t[solid], then

    # Landmarks --------------------------------------------------------------------------------------------------------

    def _rest_landmarks(self) -> tuple[Array, Array, Array]:
        """(68, 3) rest points in iBUG order, and which side of mouth and eyes they move with (True: above)."""
        b, look = self.look.build, self.look
        points: list[tuple[float, float, float]] = []
        # 0-16, the jaw: from ear to ear; outline points are found by walking outwards from the axis of the face.
        for k in range(17):
            a = np.pi * (k / 16)
            direction = np.array([-np.cos(a), 0.1 + 0.9 * np.sin(a) ** 0.9])
            z = 0.05 + 0.36 * np.sin(a) ** 2
            low, high = 0.2, 1.6
            for _ in range(30):
                middle = 0.5 * (low + high)
                p = direction * middle
                d = self._head_sdf(
                    np.array([p[0]], np.float32), np.array([p[1] + 0.05], np.float32), np.array([z], np.float32)
                )
                low, high = (middle, high) if d[0] < 0 else (low, middle)
            points.append((direction[0] * low, direction[1] * low + 0.05, z))
        brow = [-0.195 - 0.05 * look.brow_arch * np.sin(u * 2.3) + 0.045 * u * u for u in np.linspace(0, 1, 5)]
        flat: list[tuple[float, float]] = []
        flat += [(-(0.12 + 0.36 * u), brow[k]) for k, u in reversed(list(enumerate(np.linspace(0, 1, 5))))]
        flat += [(0.12 + 0.36 * u, brow[k]) for k, u in enumerate(np.linspace(0, 1, 5))]
        tip = 0.36 * b.nose_length
        flat += [(0.0, -0.05 + (tip + 0.05) * k / 3) for k in range(4)]
        flat += [(0.14 * b.nose_width * k / 2, tip + 0.095 + 0.012 * (2 - abs(k))) for k in range(-2, 3)]
        outer, line = 0.138, 0.012
        for side in (-1, 1):
            across = (-1.0, -0.4, 0.4, 1.0, 0.4, -0.4)
            flat += [(side * 0.30 + outer * s, line + 0.0) for s in across]
        m = b.mouth
        top = lambda s: MOUTH_Y - 0.075 * b.lips * (1 - s * s) ** 0.8 + (0.017 if s == 0 else 0.0)  # noqa: E731
        bottom = lambda s: MOUTH_Y + 0.098 * b.lips * (1 - s * s) ** 0.7  # noqa: E731
        flat += [(m * s, top(s) if abs(s) < 1 else MOUTH_Y) for s in (-1, -0.6, -0.25, 0, 0.25, 0.6, 1)]
        flat += [(m * s, bottom(s)) for s in (0.6, 0.25, 0, -0.25, -0.6)]
        flat += [(m * s, MOUTH_Y) for s in (-0.85, -0.3, 0, 0.3, 0.85, 0.3, 0, -0.3)]
        for x, y in flat:
            solid = _trace(
                self._head_sdf,
                np.zeros(1, np.intp),
                (np.array([x], np.float32), np.array([y], np.float32), np.zeros(1, np.float32)),
                (0, 0, 1),
                np.full(1, 1.05, np.float32),
                -1.0,
                0.01,
            )
            points.append((x, y, float(solid.z[0])))
        above_mouth = np.array([p[1] < MOUTH_Y for p in points])
        above_mouth[48:55] = True
        above_mouth[60:65] = True
        above_mouth[55:60] = False
        above_mouth[65:68] = False
        above_eyes = np.array([p[1] < EYE_LINE for p in points])
        for first in (36, 42):
            above_eyes[first : first + 4] = True
            above_eyes[first + 4 : first + 6] = False
        return np.array(points, np.float32), above_mouth, above_eyes

    def _place_landmarks(self, pose: HeadPose, expression: Expression) -> Array:
        points, above_mouth, above_eyes = self._landmarks
        x, y, z = points.T
        # Eye corners follow the tilt of the lids.
        line = np.where(x < 0, expression.left_eye.edges(x)[0], expression.right_eye.edges(x)[0])
        y = y.copy()
        y[36:48] = line[36:48]
        qx, qy = expression.express(x, y, z, above_mouth, above_eyes, (x, y), rounds=40)
        u, v, _ = self._project(pose, qx, qy, z)
        return np.stack((u, v), 1).astype(np.float32)
