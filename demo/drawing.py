"""Draws a product from parts: signed distances, a studio's light, a camera that frames it.

Each part is marched alone inside its own bounding box and the nearest hit wins, so a ray pays only
for the parts that it can meet. Points and directions are float32 arrays of shape (3, n); y is up,
a product's front looks along +z, a product is about ten units across.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Distance = Callable[[Floats], Floats]
Texture = Callable[[Floats, Floats, Floats], Floats]
Vector = tuple[float, float, float]

_MARCH_STEPS = 40
_SHADOW_STEPS = 12
_LENS_DEG = 26.0
_UNTURNED: Floats = np.eye(3, dtype=np.float32)


# --- materials ---------------------------------------------------------------------------------


def linear(colour: str) -> Vector:
    """A "#rrggbb" colour as linear light, 0 to 1."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (channel**2.2 for channel in channels)
    return (red, green, blue)


@dataclass(frozen=True, slots=True)
class Decal:
    """A printed picture on a surface; `pixels` is (height, width, 4), linear colour and cover.

    `wrap_radius` None prints on the part's +`axis` face; else around its upright axis, at that
    radius. `centre` and `size` are in the part's own lengths, across and up.
    """

    pixels: Floats
    centre: tuple[float, float]
    size: tuple[float, float]
    axis: int = 2
    wrap_radius: float | None = None

    def paint(self, points: Floats, normals: Floats, colours: Floats) -> Floats:
        """The colours with the print laid over them."""
        if self.wrap_radius is not None:
            across = np.arctan2(points[0], points[2]) * self.wrap_radius
            up, faces = points[1], np.abs(normals[1]) < 0.7
        elif self.axis == 1:
            across, up, faces = points[0], -points[2], normals[1] > 0.5
        elif self.axis == 0:
            across, up, faces = -points[2], points[1], normals[0] > 0.5
        else:
            across, up, faces = points[0], points[1], normals[2] > 0.5
        height, width = self.pixels.shape[:2]
        column = ((across - self.centre[0]) / self.size[0] + 0.5) * width - 0.5
        row = (0.5 - (up - self.centre[1]) / self.size[1]) * height - 0.5
        inside = faces & (column > 0) & (column < width - 1) & (row > 0) & (row < height - 1)
        where = np.flatnonzero(inside)
        if where.size == 0:
            return colours
        sample = _bilinear(self.pixels, row[where], column[where])
        painted = colours.copy()
        cover = sample[:, 3]
        painted[:, where] = colours[:, where] * (1 - cover) + sample[:, :3].T * cover
        return painted


def _bilinear(pixels: Floats, row: Floats, column: Floats) -> Floats:
    top, left = row.astype(np.int32), column.astype(np.int32)
    down, right = (row - top)[:, None], (column - left)[:, None]
    upper = pixels[top, left] * (1 - right) + pixels[top, left + 1] * right
    lower = pixels[top + 1, left] * (1 - right) + pixels[top + 1, left + 1] * right
    blended: Floats = upper * (1 - down) + lower * down
    return blended


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface answers light. `gloss` is reflectance seen straight on; 0 is chalk."""

    colour: Vector
    gloss: float = 0.04
    roughness: float = 0.5
    is_metal: bool = False
    glow: float = 0.0
    texture: Texture | None = None
    decals: tuple[Decal, ...] = ()

    def with_decals(self, *decals: Decal) -> Material:
        """The same material with prints on it."""
        return replace(self, decals=self.decals + decals)


def wood(light: str, dark: str, along: int, turns: float) -> Material:
    """Varnished wood whose grain runs along one axis; `turns` shifts the pattern."""
    pale = np.array(linear(light), np.float32)[:, None]
    deep = np.array(linear(dark), np.float32)[:, None]
    first, second = [axis for axis in range(3) if axis != along]

    def grain(points: Floats, _normals: Floats, _colours: Floats) -> Floats:
        run, u, v = points[along], points[first], points[second]
        bend = 0.35 * np.sin(0.55 * run + turns) + 0.12 * np.sin(1.9 * run + 2.3 * u + turns)
        rings = np.sin((u + 0.8 * v + bend + turns) * 9.0)
        fibre = np.sin(61 * u + 53 * v + 3 * np.sin(1.3 * run)) * np.sin(2.7 * run + 17 * u)
        share = np.clip(0.5 + 0.34 * rings * np.abs(rings) + 0.13 * fibre, 0, 1)
        mixed: Floats = pale * (1 - share) + deep * share
        return mixed.astype(np.float32)

    return Material(linear(light), gloss=0.05, roughness=0.35, texture=grain)


def checked(first: str, second: str, size: float, is_tartan: bool) -> Material:
    """Woven fabric in checks of a given size."""
    ground = np.array(linear(first), np.float32)[:, None]
    stripe = np.array(linear(second), np.float32)[:, None]

    def weave(points: Floats, _normals: Floats, _colours: Floats) -> Floats:
        across = np.sin(points[0] * (math.pi / size)) > (0.45 if is_tartan else 0)
        up = np.sin((points[1] + points[2]) * (math.pi / size)) > (0.45 if is_tartan else 0)
        share = (across.astype(np.float32) + up) / 2 if is_tartan else (across ^ up)
        thread = 1 + 0.07 * np.sin(points[0] * 70) * np.sin((points[1] + points[2]) * 70)
        mixed: Floats = (ground * (1 - share) + stripe * share) * thread
        return mixed.astype(np.float32)

    return Material(linear(first), gloss=0.015, roughness=0.9, texture=weave)


def striped(first: str, second: str, size: float, axis: int, gloss: float = 0.03) -> Material:
    """Bands of two colours across one axis."""
    ground = np.array(linear(first), np.float32)[:, None]
    stripe = np.array(linear(second), np.float32)[:, None]

    def bands(points: Floats, _normals: Floats, _colours: Floats) -> Floats:
        share = np.clip(0.5 + 6 * np.sin(points[axis] * (math.pi / size)), 0, 1)
        mixed: Floats = ground * (1 - share) + stripe * share
        return mixed.astype(np.float32)

    return Material(linear(first), gloss=gloss, roughness=0.6, texture=bands)


# --- parts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One solid: its signed distance around its own centre, its box, its place, its material."""

    distance: Distance
    half: Vector
    material: Material
    at: Vector = (0.0, 0.0, 0.0)
    turn: Floats = field(default_factory=lambda: _UNTURNED)

    @property
    def radius(self) -> float:
        """Radius of the sphere around the part's box."""
        return math.dist((0, 0, 0), self.half)

    def corners(self) -> Floats:
        """The eight corners of the part's box in the product's frame, shape (3, 8)."""
        signs = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1)), np.float32).reshape(3, 8)
        half = np.array(self.half, np.float32)[:, None]
        placed: Floats = self.turn @ (signs * half) + np.array(self.at, np.float32)[:, None]
        return placed

    def local(self, points: Floats) -> Floats:
        """Points of the product's frame in the part's own frame."""
        moved: Floats = self.turn.T @ (points - np.array(self.at, np.float32)[:, None])
        return moved


def turned(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> Floats:
    """The rotation about x, then y, then z."""
    a, b, c = (math.radians(angle) for angle in (x_deg, y_deg, z_deg))
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def box(
    half: Vector,
    rounding: float,
    material: Material,
    at: Vector = (0.0, 0.0, 0.0),
    turn: Floats = _UNTURNED,
    bow: float = 0.0,
    taper: float = 0.0,
) -> Part:
    """A rounded box; `bow` pushes z by bow·x², `taper` narrows x towards +y by that share."""
    inner = np.maximum(np.array(half, np.float32) - rounding, 0)[:, None]
    steep = abs(2 * bow * half[0]) + abs(taper) * half[0] / max(half[1], 1e-3)
    slack = 1.0 / math.sqrt(1 + steep * steep)

    def distance(points: Floats) -> Floats:
        if bow or taper:
            points = points.copy()
            if bow:
                points[2] -= bow * (points[0] * points[0] - half[0] * half[0] / 2)
            if taper:
                points[0] /= 1 - taper * np.clip(0.5 + points[1] / (2 * half[1]), 0, 1)
        apart = np.abs(points) - inner
        outside = np.sqrt(np.square(np.maximum(apart, 0)).sum(axis=0))
        inside = np.minimum(np.maximum(apart[0], np.maximum(apart[1], apart[2])), 0)
        total: Floats = (outside + inside - np.float32(rounding)) * np.float32(slack)
        return total

    reach = abs(bow) * half[0] ** 2 / 2
    return Part(distance, (half[0], half[1], half[2] + reach), material, at, turn)


def cylinder(
    radius: float,
    height: float,
    rounding: float,
    material: Material,
    at: Vector = (0.0, 0.0, 0.0),
    turn: Floats = _UNTURNED,
    ridges: int = 0,
) -> Part:
    """An upright cylinder with rounded rims; `ridges` cuts that many grooves along it."""
    deep = np.float32(0.025 * radius if ridges else 0)

    def distance(points: Floats) -> Floats:
        ring = np.sqrt(points[0] * points[0] + points[2] * points[2]) - np.float32(
            radius - rounding
        )
        if ridges:
            ring = ring + deep * (1 + np.cos(np.arctan2(points[0], points[2]) * ridges))
        cap = np.abs(points[1]) - np.float32(height / 2 - rounding)
        outside = np.sqrt(np.square(np.maximum(ring, 0)) + np.square(np.maximum(cap, 0)))
        total: Floats = outside + np.minimum(np.maximum(ring, cap), 0) - np.float32(rounding)
        return total * np.float32(0.7) if ridges else total

    return Part(distance, (radius, height / 2, radius), material, at, turn)


def rod(start: Vector, end: Vector, radius: float, material: Material) -> Part:
    """A rod with round ends between two points."""
    first, last = np.array(start), np.array(end)
    along = last - first
    length = float(np.linalg.norm(along))
    up = along / length
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    turn = np.stack([side, up, np.cross(side, up)], axis=1).astype(np.float32)
    middle = (first + last) / 2
    at = (float(middle[0]), float(middle[1]), float(middle[2]))
    return cylinder(radius, length + 2 * radius, radius * 0.999, material, at, turn)


def tube(path: Sequence[Vector], radius: float, material: Material) -> Part:
    """A bent tube through the points of a path, flattened a little where segments meet."""
    places = np.array(path, np.float32)
    centre = (places.min(axis=0) + places.max(axis=0)) / 2
    places = places - centre
    half = np.abs(places).max(axis=0) + radius

    def distance(points: Floats) -> Floats:
        nearest: Floats = np.full(points.shape[1], 1e9, np.float32)
        for first, last in zip(places[:-1], places[1:], strict=True):
            along = (last - first)[:, None]
            offset = points - first[:, None]
            share = np.clip((offset * along).sum(axis=0) / np.square(along).sum(), 0, 1)
            nearest = np.minimum(nearest, np.square(offset - along * share).sum(axis=0))
        total: Floats = np.sqrt(nearest) - np.float32(radius)
        return total

    at = (float(centre[0]), float(centre[1]), float(centre[2]))
    return Part(distance, (float(half[0]), float(half[1]), float(half[2])), material, at)


def arc(
    centre: Vector,
    radius: float,
    start_deg: float,
    end_deg: float,
    plane: int = 2,
    squeeze: float = 1,
) -> list[Vector]:
    """Points of an arc around a centre: in the xy plane (`plane` 2) or the zy plane (0)."""
    places: list[Vector] = []
    for angle in np.linspace(math.radians(start_deg), math.radians(end_deg), 11):
        side, up = radius * math.cos(angle) * squeeze, radius * math.sin(angle)
        shift = (side, up, 0.0) if plane == 2 else (0.0, up, side)
        places.append((centre[0] + shift[0], centre[1] + shift[1], centre[2] + shift[2]))
    return places


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    at: Vector = (0.0, 0.0, 0.0),
    turn: Floats = _UNTURNED,
    wall: float | None = None,
    rounding: float = 0.03,
) -> Part:
    """A turned solid: `profile` is (height, radius) from the bottom up, joined by a smooth curve.

    With `wall`, an open shell of that thickness. The centre is the middle of the height.
    """
    knots = np.array(profile, np.float64)
    middle = (knots[0, 0] + knots[-1, 0]) / 2
    heights = np.linspace(knots[0, 0], knots[-1, 0], 160)
    radii = _smooth(knots[:, 0], knots[:, 1], heights)
    slopes = np.abs(np.gradient(radii, heights))
    widest = np.array([slopes[max(i - 14, 0) : i + 15].max() for i in range(slopes.size)])
    slack = 1 / np.sqrt(1 + widest * widest)
    heights = heights - middle
    half_height = float(knots[-1, 0] - knots[0, 0]) / 2
    step = float(heights[1] - heights[0])
    radii32, slack32 = radii.astype(np.float32), slack.astype(np.float32)
    reach = float(radii.max()) + (wall or 0)

    def distance(points: Floats) -> Floats:
        place = np.clip((points[1] + np.float32(half_height)) / np.float32(step), 0, 158.999)
        below = place.astype(np.int32)
        share = place - below
        radius = radii32[below] * (1 - share) + radii32[below + 1] * share
        around = np.sqrt(points[0] * points[0] + points[2] * points[2])
        ring = (around - radius) * slack32[below]
        if wall is not None:
            ring = np.abs(ring) - np.float32(wall)
        cap = np.abs(points[1]) - np.float32(half_height)
        ring, cap = ring + np.float32(rounding), cap + np.float32(rounding)
        outside = np.sqrt(np.square(np.maximum(ring, 0)) + np.square(np.maximum(cap, 0)))
        total: Floats = outside + np.minimum(np.maximum(ring, cap), 0) - np.float32(rounding)
        # Slanted profiles understate distances far away; the box around them never does.
        over = np.maximum(around - np.float32(reach), 0)
        beyond = np.maximum(np.abs(points[1]) - np.float32(half_height), 0)
        furthest: Floats = np.maximum(total, np.sqrt(over * over + beyond * beyond))
        return furthest

    place = (at[0], at[1] + float(middle), at[2])
    return Part(distance, (reach, half_height, reach), material, place, turn)


def _smooth(
    knots: NDArray[np.float64], values: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A monotone cubic through the knots: no overshoot, so no ripples on a turned solid."""
    gaps = np.diff(knots)
    slopes = np.diff(values) / gaps
    tangents = np.zeros_like(values)
    tangents[0], tangents[-1] = slopes[0], slopes[-1]
    for k in range(1, len(values) - 1):
        if slopes[k - 1] * slopes[k] > 0:
            tangents[k] = 2 * slopes[k - 1] * slopes[k] / (slopes[k - 1] + slopes[k])
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(gaps) - 1)
    t = (at - knots[i]) / gaps[i]
    h00, h10 = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t
    h01, h11 = -2 * t**3 + 3 * t**2, t**3 - t**2
    curve: NDArray[np.float64] = (
        h00 * values[i]
        + h10 * gaps[i] * tangents[i]
        + h01 * values[i + 1]
        + h11 * gaps[i] * tangents[i + 1]
    )
    return curve


def moved(parts: Sequence[Part], turn: Floats, shift: Vector) -> list[Part]:
    """All parts turned about the origin, then shifted."""
    placed = []
    for part in parts:
        at = turn @ np.array(part.at, np.float32) + np.array(shift, np.float32)
        where = (float(at[0]), float(at[1]), float(at[2]))
        placed.append(replace(part, at=where, turn=turn @ part.turn))
    return placed


# --- camera and picture ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands: yaw 0 is in front, 90 at the product's own left side.

    Without `focus` the camera frames the whole product; with it, a ball of `span` around the point.
    """

    name: str
    yaw_deg: float
    pitch_deg: float
    focus: Vector | None = None
    span: float = 1.0
    fill: float = 0.92


@dataclass(frozen=True, slots=True)
class Studio:
    """The set: backdrop colours far and near, and whether the product stands on the floor."""

    far: str = "#e9ecef"
    near: str = "#fbfbfb"
    has_floor: bool = True
    shadow: float = 0.55


@dataclass(frozen=True, slots=True)
class _Camera:
    eye: Floats
    right: Floats
    up: Floats
    ahead: Floats
    scale: float  # tangent of half the lens angle


def _place_camera(parts: Sequence[Part], view: View) -> _Camera:
    yaw, pitch = math.radians(view.yaw_deg), math.radians(view.pitch_deg)
    back = np.array(
        [math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]
    )
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    up = np.cross(back, right)
    scale = math.tan(math.radians(_LENS_DEG / 2))
    if view.focus is not None:
        target, far = np.array(view.focus), view.span / scale / view.fill
    else:
        corners = np.concatenate([part.corners() for part in parts], axis=1).astype(np.float64)
        target = (corners.min(axis=1) + corners.max(axis=1)) / 2
        far = float(np.linalg.norm(np.ptp(corners, axis=1))) / scale
        for _ in range(4):  # each pass centres the outline, then steps to where it fills the frame
            offset = corners - target[:, None]
            depth = far - back @ offset
            x, y = (right @ offset) / depth / scale, (up @ offset) / depth / scale
            target = target + right * (x.max() + x.min()) / 2 * far * scale
            target = target + up * (y.max() + y.min()) / 2 * far * scale
            far *= max(np.ptp(x), np.ptp(y)) / 2 / view.fill
    eye = target + back * far
    return _Camera(
        np.asarray(eye, np.float32),
        np.asarray(right, np.float32),
        np.asarray(up, np.float32),
        np.asarray(-back, np.float32),
        scale,
    )


@dataclass(frozen=True, slots=True)
class _Hits:
    depth: Floats  # inf where nothing was hit
    part: NDArray[np.int16]  # index of the part, -1 for none


def _slab(origin: Floats, directions: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Where rays enter and leave a box around the origin; entry beyond exit means a miss."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / np.where(np.abs(directions) < 1e-7, np.float32(1e-7), directions)
    reach = np.abs(inverse) * half
    middle = -origin * inverse
    enter = np.maximum((middle - reach).max(axis=0), 0)
    leave = (middle + reach).min(axis=0)
    return enter, leave


def _march(part: Part, origin: Floats, directions: Floats, limit: Floats, cone: float) -> Floats:
    """Distance along each ray to the part's surface, inf where it is missed or beyond the limit."""
    depth = np.full(directions.shape[1], np.inf, np.float32)
    half = np.array(part.half, np.float32)[:, None] + np.float32(1e-3)
    enter, leave = _slab(origin, directions, half)
    leave = np.minimum(leave, limit)
    active = np.flatnonzero(enter < leave)
    ways, t, stop = directions[:, active], enter[active], leave[active]
    for _ in range(_MARCH_STEPS):
        if active.size == 0:
            break
        gap = part.distance(origin + ways * t)
        hit = gap < cone * t
        t = t + gap
        depth[active[hit]] = t[hit]
        going = ~hit & (t < stop)
        if going.mean() < 0.85:
            active, ways, t, stop = active[going], ways[:, going], t[going], stop[going]
        else:  # too few rays ended to be worth copying; ended ones stay harmless where they are
            t = np.where(going, t, stop + 1)
            stop = np.where(going, stop, -1)
    return depth


def _trace(parts: Sequence[Part], camera: _Camera, x: Floats, y: Floats, pixel: float) -> _Hits:
    depth = np.full(x.size, np.inf, np.float32)
    owner = np.full(x.size, -1, np.int16)
    for index, part in enumerate(parts):
        offset = part.corners() - camera.eye[:, None]
        ahead = np.maximum(camera.ahead @ offset, 0.05) * camera.scale
        across, above = (camera.right @ offset) / ahead, (camera.up @ offset) / ahead
        near = (x > across.min()) & (x < across.max()) & (y > above.min()) & (y < above.max())
        where = np.flatnonzero(near)
        if where.size == 0:
            continue
        ways = part.turn.T @ _directions(camera, x[where], y[where])
        origin = part.local(camera.eye[:, None])
        found = _march(part, origin, ways, depth[where], pixel * 0.35)
        closer = found < depth[where]
        depth[where[closer]] = found[closer]
        owner[where[closer]] = index
    return _Hits(depth, owner)


def _directions(camera: _Camera, x: Floats, y: Floats) -> Floats:
    ways = (
        camera.ahead[:, None]
        + camera.right[:, None] * (x * np.float32(camera.scale))
        + camera.up[:, None] * (y * np.float32(camera.scale))
    )
    unit: Floats = ways / np.sqrt(np.square(ways).sum(axis=0))
    return unit


def _normals(part: Part, points: Floats, size: float) -> Floats:
    """Outward unit normals in the part's own frame, from four distances a little apart."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    slope = np.zeros_like(points)
    for corner in corners:
        slope += corner[:, None] * part.distance(points + corner[:, None] * np.float32(size))
    length = np.sqrt(np.square(slope).sum(axis=0)) + 1e-9
    unit: Floats = slope / length
    return unit


def _shadow(
    parts: Sequence[Part], points: Floats, light: Floats, softness: float, margin: float
) -> Floats:
    """How much of the key light reaches each point, 0 to 1, with a penumbra up to `margin` wide."""
    lit: Floats = np.ones(points.shape[1], np.float32)
    for part in parts:
        offset = np.array(part.at, np.float32)[:, None] - points
        ahead = np.maximum(light @ offset, 0)
        near = np.square(offset).sum(axis=0) - ahead * ahead < (part.radius + margin) ** 2
        close = np.flatnonzero(near & (lit > 0.02))
        if close.size == 0:
            continue
        origins, way = part.local(points[:, close]), (part.turn.T @ light)[:, None]
        half = np.array(part.half, np.float32)[:, None] + np.float32(margin)
        enter, leave = _slab(origins, way, half)
        active = np.flatnonzero(enter < leave)
        if active.size == 0:
            continue
        start, t, stop = origins[:, active], enter[active], leave[active]
        least = (stop - t) / np.float32(_SHADOW_STEPS * 1.5)
        t = np.maximum(t, np.float32(0.02))
        clear = np.ones(active.size, np.float32)
        for _ in range(_SHADOW_STEPS):
            gap = part.distance(start + way * t)
            np.minimum(clear, 0.5 + gap / (np.float32(softness) * (t + 0.3)), out=clear)
            t = np.minimum(t + np.maximum(gap, least), stop)
            if not (clear > 0).any():
                break
        clear = np.clip(clear, 0, 1)
        lit[close[active]] = np.minimum(lit[close[active]], clear * clear * (3 - 2 * clear))
    return lit


def _openness(parts: Sequence[Part], points: Floats, normals: Floats, reach: float) -> Floats:
    """How open the surroundings of each point are, 0 to 1 (ambient occlusion)."""
    closed = np.zeros(points.shape[1], np.float32)
    for step, weight in ((0.25, 0.5), (1.0, 0.75)):
        away = points + normals * np.float32(step * reach)
        nearest: Floats = np.full(points.shape[1], step * reach, np.float32)
        for part in parts:
            offset = away - np.array(part.at, np.float32)[:, None]
            far = np.square(offset).sum(axis=0)
            near = np.flatnonzero(far < (part.radius + step * reach) ** 2)
            if near.size:
                gaps = part.distance(part.local(away[:, near]))
                nearest[near] = np.minimum(nearest[near], gaps)
        closed += np.float32(weight) * (1 - np.maximum(nearest, 0) / np.float32(step * reach))
    open_share: Floats = np.clip(1 - closed, 0.12, 1)
    return open_share


def _softbox(ways: Floats, roughness: Floats, camera: _Camera) -> Floats:
    """Light that comes from a direction: a big softbox, a strip light, a pale floor and ceiling."""
    blur = 0.04 + 0.6 * roughness
    side = camera.right @ ways
    front = -(camera.ahead @ ways)
    height = ways[1]
    sky = 0.22 + 0.5 * np.clip(0.5 + height / 2, 0, 1)
    box_gap = np.maximum(np.abs(side + 0.55) - 0.28, np.abs(height - 0.5) - 0.33)
    key = 2.3 * np.clip(0.5 - box_gap / blur, 0, 1) * (front > -0.7)
    strip_gap = np.maximum(np.abs(side - 0.8) - 0.09, np.abs(height - 0.2) - 0.6)
    strip = 1.3 * np.clip(0.5 - strip_gap / blur, 0, 1)
    floor = 0.3 * np.clip(-height * 3, 0, 1)
    total: Floats = (sky + floor + (key + strip) * (1 - 0.55 * roughness)).astype(np.float32)
    return total


@dataclass(frozen=True, slots=True)
class _Surface:
    """What the rays that hit something hit; `where` are their indices among all rays."""

    where: NDArray[np.intp]
    points: Floats
    ways: Floats
    normals: Floats
    colours: Floats
    gloss: Floats
    roughness: Floats
    is_metal: NDArray[np.bool_]
    glow: Floats


@dataclass(frozen=True, slots=True)
class _Light:
    """Per ray: the share of key light, the openness to all other light, the floor's brightness."""

    lit: Floats
    opened: Floats
    floor: Floats

    def at(self, rays: NDArray[np.intp]) -> _Light:
        """The light of some of the rays."""
        return _Light(self.lit[rays], self.opened[rays], self.floor[rays])


@dataclass(frozen=True, slots=True)
class _Set:
    parts: Sequence[Part]
    camera: _Camera
    studio: Studio
    size: float  # diagonal of the product's box
    key: Floats

    def light(self, surface: _Surface, floor: Floats) -> _Light:
        """The light at every ray; where nothing was hit, a middling one for rays close by."""
        normals = surface.normals
        raised = surface.points + normals * np.float32(0.006 * self.size)
        opened = np.full(floor.size, 0.7, np.float32)
        opened[surface.where] = _openness(self.parts, raised, normals, 0.06 * self.size)
        lit = np.full(floor.size, 0.6, np.float32)
        lit[surface.where] = 0
        facing = np.flatnonzero(self.key @ normals > 0.01)
        lit[surface.where[facing]] = _shadow(
            self.parts, raised[:, facing], self.key, 0.14, 0.03 * self.size
        )
        return _Light(lit, opened, floor)

    def surface(self, x: Floats, y: Floats, hits: _Hits) -> _Surface:
        """Points, normals and materials where rays hit."""
        where = np.flatnonzero(hits.part >= 0)
        owner = hits.part[where]
        ways = _directions(self.camera, x[where], y[where])
        points = self.camera.eye[:, None] + ways * hits.depth[where]
        normals, colours = np.empty_like(points), np.empty_like(points)
        for index, part in enumerate(self.parts):
            own = np.flatnonzero(owner == index)
            if own.size:
                local = part.local(points[:, own])
                own_normals = _normals(part, local, 0.0016 * self.size)
                normals[:, own] = part.turn @ own_normals
                colours[:, own] = _painted(part.material, local, own_normals)
        materials = [part.material for part in self.parts]
        return _Surface(
            where,
            points,
            ways,
            normals,
            colours,
            np.array([material.gloss for material in materials], np.float32)[owner],
            np.array([material.roughness for material in materials], np.float32)[owner],
            np.array([material.is_metal for material in materials])[owner],
            np.array([material.glow for material in materials], np.float32)[owner],
        )

    def shade(self, y: Floats, surface: _Surface, light: _Light) -> Floats:
        """Linear colour of every ray, shape (3, n)."""
        colours = self._backdrop(y) * light.floor
        colours[:, surface.where] = self._shaded(surface, light.at(surface.where))
        return colours

    def _backdrop(self, y: Floats) -> Floats:
        share = np.clip(0.5 + 0.5 * y, 0, 1)
        far = np.array(linear(self.studio.far), np.float32)[:, None]
        near = np.array(linear(self.studio.near), np.float32)[:, None]
        mixed: Floats = near * (1 - share) + far * share
        return mixed

    def floor(self, x: Floats, y: Floats) -> Floats:
        """How much light the backdrop keeps at each ray: shadows and contact darkening."""
        kept = np.ones(x.size, np.float32)
        if not self.studio.has_floor:
            return kept
        ways = _directions(self.camera, x, y)
        down = np.flatnonzero(ways[1] < -0.02)
        depth = -self.camera.eye[1] / ways[1, down]
        points = self.camera.eye[:, None] + ways[:, down] * depth
        points[1] = 1e-3
        upward = np.zeros_like(points)
        upward[1] = 1
        lit = _shadow(self.parts, points, self.key, 0.26, 0.09 * self.size)
        opened = _openness(self.parts, points, upward, 0.09 * self.size)
        shadow = np.float32(self.studio.shadow)
        kept[down] = (1 - shadow * (1 - lit)) * (0.4 + 0.6 * opened)
        return kept

    def _shaded(self, surface: _Surface, light: _Light) -> Floats:
        ways, normals = surface.ways, surface.normals
        facing = np.clip(self.key @ normals, 0, 1)
        fill = np.clip(self.camera.right @ normals * 0.6 - self.camera.ahead @ normals * 0.6, 0, 1)
        sky = 0.5 + 0.5 * normals[1]
        diffuse = 0.82 * facing * light.lit + light.opened * (0.2 * fill + 0.16 + 0.22 * sky)
        along = (normals * ways).sum(axis=0)
        grazing = np.clip(1 + along, 0, 1) ** 5
        gloss, roughness = surface.gloss, surface.roughness
        strength = gloss + (1 - gloss) * grazing * (1 - roughness) * 0.7
        shine = _softbox(ways - 2 * along * normals, roughness, self.camera)
        shine = shine * (0.25 + 0.75 * light.opened) * (0.45 + 0.55 * light.lit)
        colours = surface.colours
        shaded: Floats = np.where(
            surface.is_metal,
            colours * (shine * 0.95 + 0.14 * diffuse),
            colours * diffuse + strength * shine,
        )
        return shaded + surface.glow * colours


def _painted(material: Material, local: Floats, normals: Floats) -> Floats:
    colours = np.repeat(np.array(material.colour, np.float32)[:, None], local.shape[1], axis=1)
    if material.texture is not None:
        colours = material.texture(local, normals, colours)
    for decal in material.decals:
        colours = decal.paint(local, normals, colours)
    return colours


def draw(parts: Sequence[Part], view: View, studio: Studio, size_px: int) -> Image.Image:
    """A square picture of the product; pixels on edges take two more rays."""
    camera = _place_camera(parts, view)
    corners = np.concatenate([part.corners() for part in parts], axis=1)
    key = -0.55 * camera.right + np.array([0, 1.0, 0]) - 0.75 * camera.ahead * [1, 0, 1]
    key = (key / np.linalg.norm(key)).astype(np.float32)
    size = float(np.linalg.norm(np.ptp(corners, axis=1)))
    stage = _Set(parts, camera, studio, min(size, 4 * view.span) if view.focus else size, key)
    pixel = 2 * camera.scale / size_px
    x, y = _grid(size_px)
    hits = _trace(parts, camera, x, y, pixel)
    surface = stage.surface(x, y, hits)
    light = stage.light(surface, _floor_map(stage, size_px))
    colours = stage.shade(y, surface, light)
    edges = _edges(hits, colours, size_px)
    if edges.size:
        finer = _resample(stage, x[edges], y[edges], light.at(edges), size_px)
        colours[:, edges] = np.clip(colours[:, edges], 0, 1.5) / 3 + finer * (2 / 3)
    encoded = _tone(colours).reshape(3, size_px, size_px).transpose(1, 2, 0)
    return Image.fromarray((encoded * 255 + 0.5).astype(np.uint8), "RGB")


def _grid(size_px: int) -> tuple[Floats, Floats]:
    steps = ((np.arange(size_px, dtype=np.float32) + 0.5) / size_px) * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    return x.ravel().astype(np.float32), y.ravel().astype(np.float32)


def _floor_map(stage: _Set, size_px: int) -> Floats:
    """The floor's shadows, soft anyway, on a coarse grid and enlarged."""
    coarse_px = size_px // 4
    coarse = stage.floor(*_grid(coarse_px)).reshape(coarse_px, coarse_px)
    enlarged = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(enlarged, np.float32).ravel()


def _edges(hits: _Hits, colours: Floats, size_px: int) -> NDArray[np.intp]:
    """Indices of pixels that differ from a neighbour in part or strongly in brightness."""
    owner = hits.part.reshape(size_px, size_px)
    bright = np.sqrt(np.clip(colours.mean(axis=0), 0, 1)).reshape(size_px, size_px)
    rough = np.zeros((size_px, size_px), bool)
    for axis in (0, 1):
        differs = np.diff(owner, axis=axis) != 0
        differs |= (np.abs(np.diff(bright, axis=axis)) > 0.09) & (
            np.delete(owner, -1, axis=axis) >= 0
        )
        before = [slice(None), slice(None)]
        after = [slice(None), slice(None)]
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        rough[tuple(before)] |= differs
        rough[tuple(after)] |= differs
    return np.flatnonzero(rough)


def _resample(stage: _Set, x: Floats, y: Floats, light: _Light, size_px: int) -> Floats:
    """The mean colour of two more rays through each pixel, off its middle to either side."""
    across = np.array([[-0.3], [0.3]], np.float32) * (2 / size_px)
    above = np.array([[0.2], [-0.2]], np.float32) * (2 / size_px)
    finer_x, finer_y = (x + across).ravel(), (y + above).ravel()
    pixel = stage.camera.scale / size_px
    surface = stage.surface(
        finer_x, finer_y, _trace(stage.parts, stage.camera, finer_x, finer_y, pixel)
    )
    twice = np.tile(np.arange(x.size), 2)
    colours = stage.shade(finer_y, surface, light.at(twice))
    mean: Floats = np.clip(colours, 0, 1.5).reshape(3, 2, -1).mean(axis=1)
    return mean


def _tone(colours: Floats) -> Floats:
    """Linear light to sRGB-like 0..1 with a soft shoulder."""
    clipped = np.clip(colours, 0, None)
    shoulder = np.where(clipped < 0.8, clipped, 0.8 + 0.2 * np.tanh((clipped - 0.8) / 0.2))
    toned: Floats = np.power(shoulder, 1 / 2.2, dtype=np.float32)
    return toned
