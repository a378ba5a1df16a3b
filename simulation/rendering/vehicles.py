"""Meshes of cars, vans, pick-ups, trucks and buses."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from simulation.rendering.mesh_parts import GLASS_COLOUR, Colour, Material, Mesh, MeshBuilder, box_rings, wheel_rings

CAR_BELOW_M, VAN_BELOW_M, TRAILER_FROM_M = 5.2, 6.5, 13.5
"""Lengths that separate cars, vans, trucks or buses, and articulated trucks."""
LOW_ROOF_M, HIGH_ROOF_M = 1.55, 1.95
"""Heights that separate saloons and hatchbacks from off-road cars and minivans, and these from vans."""

PAINTS: tuple[tuple[float, Colour], ...] = (
    (0.25, (232, 232, 230)),
    (0.20, (28, 29, 32)),
    (0.17, (96, 99, 104)),
    (0.13, (168, 171, 175)),
    (0.09, (38, 62, 112)),
    (0.08, (142, 24, 28)),
    (0.03, (94, 72, 52)),
    (0.02, (44, 84, 58)),
    (0.02, (214, 176, 44)),
    (0.01, (206, 96, 30)),
)
"""Share of cars and colour of their paint, as on the roads of Europe and North America."""
TRUCK_PAINTS: tuple[Colour, ...] = ((226, 226, 222), (170, 38, 34), (40, 74, 134), (204, 168, 52), (60, 96, 70))
CARGO_PAINTS: tuple[Colour, ...] = ((222, 222, 218), (196, 198, 200), (112, 124, 138), (180, 150, 96))
BUS_PAINTS: tuple[Colour, ...] = ((214, 214, 210), (184, 44, 36), (34, 92, 150), (222, 178, 40), (52, 120, 76))

RUBBER: Colour = (22, 22, 24)
TRIM: Colour = (40, 41, 44)
HUB: Colour = (150, 152, 156)
WHITE_LAMP: Colour = (232, 234, 226)
RED_LAMP: Colour = (150, 16, 16)
AMBER_LAMP: Colour = (214, 124, 22)
PLATE: Colour = (226, 226, 214)


class CarShape(NamedTuple):
    """Side view of a car: shares of its length from the rear end, and of the height of its belt line."""

    cabin: tuple[float, float, float, float]
    """Along the car: rear end at the belt line and at the roof, front end at the roof and at the belt line."""
    tail: float
    """Height of the tail."""
    bed: float
    """Height of the deck behind the cabin."""
    bonnet: float
    """Height of the front end of the bonnet."""
    side_glass: tuple[bool, bool]
    """Whether the rear and the front half of the sides have windows."""


SHAPES = {
    "saloon": CarShape((0.10, 0.25, 0.56, 0.74), 0.86, 0.98, 0.84, (True, True)),
    "hatchback": CarShape((0.03, 0.10, 0.56, 0.74), 0.98, 1.0, 0.86, (True, True)),
    "off-road": CarShape((0.02, 0.07, 0.57, 0.70), 0.98, 1.0, 0.92, (True, True)),
    "minivan": CarShape((0.015, 0.05, 0.62, 0.80), 1.0, 1.0, 0.86, (True, True)),
    "van": CarShape((0.01, 0.02, 0.72, 0.86), 1.0, 1.0, 0.84, (False, True)),
    "pick-up": CarShape((0.36, 0.40, 0.59, 0.71), 0.92, 0.92, 0.96, (True, True)),
}


def vehicle_mesh(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """Mesh of a vehicle: a car, van, truck or bus by its length and height.

    Args:
        size_m: Length, width, height.
        rng: Of the look.
        detail: 0 near, 1 far.
    """
    length, _, height = size_m
    if length >= VAN_BELOW_M:
        is_bus = length < TRAILER_FROM_M and rng.uniform() < np.clip((length - 8.0) / 4.0, 0.1, 0.8)
        return (_bus if is_bus else _truck)(size_m, rng, detail)
    weights, paints = zip(*PAINTS, strict=True)
    base = np.array(paints[rng.choice(len(paints), p=np.array(weights))], dtype=float)
    shade = np.clip(base * rng.uniform(0.88, 1.08) + rng.uniform(-4, 4, 3), 8, 245)
    paint: Colour = (int(shade[0]), int(shade[1]), int(shade[2]))
    return _car(size_m, SHAPES[_car_shape(length, height, rng.uniform())], paint, detail)


def _car_shape(length_m: float, height_m: float, draw: float) -> str:
    if length_m >= CAR_BELOW_M:
        return "van" if height_m > HIGH_ROOF_M or draw < 0.4 else "pick-up"
    if height_m > HIGH_ROOF_M:
        return "van"
    if height_m > LOW_ROOF_M:
        return "off-road" if draw < 0.75 else "minivan"
    return "saloon" if length_m > 4.3 and draw < 0.75 else "hatchback"


def _car(size_m: tuple[float, float, float], shape: CarShape, paint: Colour, detail: int) -> Mesh:
    length, width, height = size_m
    half, side = length / 2, width / 2 - 0.02
    belt = height * (0.58 if shape is not SHAPES["van"] else 0.5)
    floor, skirt = 0.13 * height, 0.30 * height
    builder = MeshBuilder()
    cabin_x = [share * length - half for share in shape.cabin]
    if detail:
        body = box_rings((-half, -side, floor), (half, side, belt), 0.94)
        builder.loft(body, paint, has_caps=False)
        builder.polygon(body[1], paint)
        cabin = _cabin_rings(cabin_x, side, belt * shape.bed, height, columns=1)
        builder.loft(cabin, paint, _cabin_materials(cabin, shape), has_caps=False)
        builder.polygon(cabin[1], paint)
        _far_lamps(builder, size_m, 0.75 * belt)
        return builder.build(size_m)
    stations = (
        # Along the car, half width, bottom, top.
        (-half, 0.80 * side, skirt, shape.tail * belt * 0.92),
        (-half + 0.04 * length, 0.94 * side, floor, shape.tail * belt),
        (cabin_x[0] + 0.04 * length, side, floor, shape.bed * belt),
        (cabin_x[3], side, floor, belt),
        (half - 0.07 * length, 0.95 * side, floor, shape.bonnet * belt),
        (half, 0.76 * side, skirt, 0.74 * shape.bonnet * belt),
    )
    rings = np.array(
        [
            [
                (x, -0.90 * w, low),
                (x, 0.90 * w, low),
                (x, w, 0.55 * low + 0.45 * top),
                (x, 0.92 * w, top),
                (x, -0.92 * w, top),
                (x, -w, 0.55 * low + 0.45 * top),
            ]
            for x, w, low, top in stations
        ]
    )
    colours = np.broadcast_to(np.array(paint), (len(stations) - 1, 6, 3)).copy()
    colours[:, 0] = TRIM
    builder.loft(rings, colours, cap=(paint, paint))
    columns = 5
    cabin = _cabin_rings(cabin_x, 0.90 * side, min(shape.bed, 0.98) * belt, height, columns)
    builder.loft(cabin, paint, _cabin_materials(cabin, shape), has_caps=False)
    builder.polygon(cabin[1], paint)
    radius = min(0.235 * height if height < HIGH_ROOF_M else 0.17 * height, 0.4, 0.16 * length)
    _wheels(builder, size_m, radius, (-0.30 * length, 0.30 * length))
    _near_lamps(builder, size_m, (skirt, 0.92 * shape.tail * belt), (skirt, 0.74 * shape.bonnet * belt), 0.72 * side)
    _shadow(builder, size_m)
    return builder.build(size_m)


def _cabin_rings(
    x: list[float], side_m: float, low_m: float, high_m: float, columns: int
) -> Float64[np.ndarray, "2 points 3"]:
    """Rings of a cabin at the belt line and at the roof; each side is divided into `columns`."""
    shares = np.linspace(0.0, 1.0, columns + 1) if columns != 5 else np.array([0.0, 0.07, 0.47, 0.53, 0.93, 1.0])
    rings = np.empty((2, 2 * (columns + 1), 3))
    for level, (begin, end, half, z) in enumerate(((x[0], x[3], side_m, low_m), (x[1], x[2], 0.80 * side_m, high_m))):
        along = begin + shares * (end - begin)
        rings[level, : columns + 1] = np.stack([along, np.full(columns + 1, -half), np.full(columns + 1, z)], axis=-1)
        rings[level, columns + 1 :] = rings[level, columns::-1] * [1.0, -1.0, 1.0]
    return rings


def _cabin_materials(rings: np.ndarray, shape: CarShape) -> np.ndarray:
    """GLASS for windscreen, rear window and side windows, PAINT for the pillars."""
    points = rings.shape[1]
    columns = points // 2 - 1
    rear, front = shape.side_glass
    panes = [False, rear, False, front, False] if columns == 5 else [front]
    is_glass = np.array([*panes, True, *panes[::-1], rear])
    return np.where(is_glass, Material.GLASS, Material.PAINT).astype(np.uint8)[np.newaxis]


def _wheels(
    builder: MeshBuilder, size_m: tuple[float, float, float], radius_m: float, axles_m: tuple[float, ...]
) -> None:
    width = min(0.24, 0.2 * size_m[1])
    corners = 8 if len(axles_m) == 2 else 6
    for x in axles_m:
        for side in (-1.0, 1.0):
            y = side * (size_m[1] - width) / 2
            builder.loft(wheel_rings((x, y, radius_m), radius_m, width, corners), RUBBER, Material.TYRE)
            hub = 0.42 * radius_m
            builder.plate((x, y + side * (width / 2 + 0.004), radius_m), (-side * hub, 0, 0), (0, 0, hub), HUB)


def _near_lamps(
    builder: MeshBuilder,
    size_m: tuple[float, float, float],
    rear_z_m: tuple[float, float],
    front_z_m: tuple[float, float],
    reach_m: float,
) -> None:
    """Lamps and plates on both end faces: `reach_m` is the outer edge, the heights are the limits of the faces."""
    half = size_m[0] / 2 + 0.006
    lamp, indicator = 0.34 * reach_m, 0.13 * reach_m
    for x, (low, high), kind, colour in (
        (-half, rear_z_m, Material.TAIL_LIGHT, RED_LAMP),
        (half, front_z_m, Material.HEADLIGHT, WHITE_LAMP),
    ):
        forward = np.sign(x)
        tall = min(0.24 * (high - low), 0.14)
        z = high - 1.25 * tall
        for side, blinker in ((1.0, Material.INDICATOR_LEFT), (-1.0, Material.INDICATOR_RIGHT)):
            y = side * (reach_m - indicator - lamp / 2)
            builder.plate((x, y, z), (0, forward * lamp / 2, 0), (0, 0, tall), colour, kind)
            y = side * (reach_m - indicator / 2)
            builder.plate((x, y, z), (0, forward * indicator / 2, 0), (0, 0, tall), AMBER_LAMP, blinker)
        builder.plate((x, 0, low + 0.3 * (high - low)), (0, forward * 0.25, 0), (0, 0, 0.055), PLATE)


def _far_lamps(builder: MeshBuilder, size_m: tuple[float, float, float], z_m: float) -> None:
    half, reach = size_m[0] / 2 + 0.006, 0.42 * size_m[1]
    tall = 0.05 * min(size_m[2], 2.0)
    builder.plate((-half, 0, z_m), (0, -reach, 0), (0, 0, tall), RED_LAMP, Material.TAIL_LIGHT)
    builder.plate((half, 0, z_m), (0, reach, 0), (0, 0, tall), WHITE_LAMP, Material.HEADLIGHT)


def _shadow(builder: MeshBuilder, size_m: tuple[float, float, float]) -> None:
    builder.plate((0, 0, 0.015), (0.48 * size_m[0], 0, 0), (0, 0.46 * size_m[1], 0), (18, 18, 20), Material.SHADOW)


def _truck(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A cab and a cargo box on a chassis; from `TRAILER_FROM_M` on the box is a semi-trailer."""
    length, width, height = size_m
    half, side = length / 2, width / 2
    paint = TRUCK_PAINTS[rng.integers(len(TRUCK_PAINTS))]
    cargo = CARGO_PAINTS[rng.integers(len(CARGO_PAINTS))]
    is_trailer = length >= TRAILER_FROM_M
    cab_m = min(2.3, 0.3 * length)
    bed, radius = 0.30 * height, min(0.5, 0.15 * height)
    roof = height * rng.uniform(0.78, 0.92)
    cab_back, box_front = half - cab_m, half - cab_m - (0.9 if is_trailer else 0.12)
    builder = MeshBuilder()
    box = box_rings((-half + 0.03, -side, 0.1 * height if detail else bed), (box_front, side, height))
    if detail:
        builder.loft(box, cargo, has_caps=False)
        builder.polygon(box[1], cargo)
        middle, tall, cab_x, cab_half = roof / 2, roof / 2, half - cab_m / 2, cab_m / 2
        builder.plate((half - 0.02, 0, middle), (0, side, 0), (0, 0, tall), paint)
        builder.plate((cab_x, -side, middle), (cab_half, 0, 0), (0, 0, tall), paint)
        builder.plate((cab_x, side, middle), (-cab_half, 0, 0), (0, 0, tall), paint)
        builder.plate((cab_x, 0, roof), (cab_half, 0, 0), (0, side, 0), paint)
        builder.plate(
            (half - 0.015, 0, 0.78 * roof), (0, 0.7 * side, 0), (0, 0, 0.13 * roof), GLASS_COLOUR, Material.GLASS
        )
        _far_lamps(builder, size_m, 0.85 * bed)
        return builder.build(size_m)
    builder.loft(box, cargo)
    builder.loft(box_rings((-half, -0.45 * side, 0.5 * bed), (half - 0.1, 0.45 * side, bed)), TRIM)
    shares = np.array([0.0, 0.35, 0.85, 1.0])
    x = np.array([cab_back, half - 0.02])
    cab = np.empty((4, 8, 3))
    for level, (z, front) in enumerate(
        ((0.5 * bed, x[1]), (0.58 * roof, x[1]), (0.9 * roof, x[1] - 0.10), (roof, x[1] - 0.3))
    ):
        along = x[0] + shares * (front - x[0])
        cab[level, :4] = np.stack([along, np.full(4, -0.96 * side), np.full(4, z)], axis=-1)
        cab[level, 4:] = cab[level, 3::-1] * [1.0, -1.0, 1.0]
    kinds = np.full((3, 8), Material.PAINT, dtype=np.uint8)
    kinds[1, [1, 3, 5]] = Material.GLASS
    builder.loft(cab, paint, kinds, cap=(TRIM, paint))
    rear = -half + 0.09 * length
    axles = (
        (rear, rear + 2.4 * radius, half - 0.6 * cab_m) if is_trailer else (-half + 0.2 * length, half - 0.5 * cab_m)
    )
    _wheels(builder, size_m, radius, axles)
    builder.plate((-half - 0.003, 0, 0.75 * bed), (0, -0.9 * side, 0), (0, 0, 0.25 * bed), TRIM)
    _near_lamps(builder, size_m, (0.5 * bed, bed), (0.55 * bed, 1.1 * bed), 0.85 * side)
    _shadow(builder, size_m)
    return builder.build(size_m)


def _bus(size_m: tuple[float, float, float], rng: np.random.Generator, detail: int) -> Mesh:
    """A body with bands of windows on all sides."""
    length, width, height = size_m
    half, side = length / 2, width / 2 - 0.015
    paint = BUS_PAINTS[rng.integers(len(BUS_PAINTS))]
    floor, belt, lintel = 0.10 * height, 0.42 * height, 0.80 * height
    builder = MeshBuilder()
    if detail:
        body = box_rings((-half, -side, floor), (half, side, height))
        builder.loft(body, paint, has_caps=False)
        builder.polygon(body[1], paint)
        middle, tall = (belt + lintel) / 2, (lintel - belt) / 2
        for sign in (-1.0, 1.0):
            y = sign * (side + 0.01)
            builder.plate((0, y, middle), (-sign * 0.96 * half, 0, 0), (0, 0, tall), GLASS_COLOUR, Material.GLASS)
            x = sign * (half + 0.004)
            builder.plate((x, 0, middle), (0, sign * 0.9 * side, 0), (0, 0, tall), GLASS_COLOUR, Material.GLASS)
        _far_lamps(builder, size_m, 0.2 * height)
        return builder.build(size_m)
    shares = np.array([0.0, 0.03, 0.49, 0.51, 0.97, 1.0])
    rings = np.empty((4, 12, 3))
    for level, (z, end, half_m) in enumerate(
        ((floor, half, side), (belt, half, side), (lintel, half - 0.06, side), (height, half - 0.2, 0.94 * side))
    ):
        along = (2 * shares - 1) * end
        rings[level, :6] = np.stack([along, np.full(6, -half_m), np.full(6, z)], axis=-1)
        rings[level, 6:] = rings[level, 5::-1] * [1.0, -1.0, 1.0]
    kinds = np.full((3, 12), Material.PAINT, dtype=np.uint8)
    kinds[1, [1, 3, 5, 7, 9, 11]] = Material.GLASS
    builder.loft(rings, paint, kinds, cap=(TRIM, (200, 200, 198)))
    _wheels(builder, size_m, min(0.5, 0.15 * height), (-0.26 * length, 0.30 * length))
    _near_lamps(builder, size_m, (floor, belt), (floor, belt), 0.9 * side)
    _shadow(builder, size_m)
    return builder.build(size_m)
