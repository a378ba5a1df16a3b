"""People beside the road that stand and do not cross, and standing bicycles, as recordings have many.

The pedestrians of a town walk, or wait until they can cross: without bystanders, all of those at the kerb step onto
the road sooner or later.
"""

from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Float64, Int8
from scipy.spatial import KDTree

from driving.agents import AgentKind
from driving.timing import STEP_S
from simulation.generation.town.town_map import TownMap

CORNER_SHARE = 0.5
"""Share of the groups near a corner of the walkways, where crosswalks begin."""
GROUP_ASIDE_M, GROUP_SPREAD_M, BICYCLE_SPREAD_M = 1.6, 0.9, 1.8
"""Greatest distance of a group from the middle of the walkway, and standard deviations of its people and of its
bicycles around it."""
KERB_GAP_M, BICYCLE_KERB_GAP_M = 0.4, 1.4
"""Distance from the road to the middle of a person and of a bicycle."""
BICYCLE_SHARE = 0.15
FACING_SHARE = 0.5
"""Share that faces the road; the headings of the others are random."""
NEIGHBOUR_M = 1.05
"""Distance between bystanders, and to the places where pedestrians walk: boxes must not overlap."""
BICYCLE_NEIGHBOUR_M = 2.2
MAX_REACH_M, RATES_RADPS = 0.15, (0.3, 1.5)
"""Bystanders sway by this distance at these angular rates."""


class Bystanders(NamedTuple):
    """Standing people and bicycles; each sways along its heading about its pose."""

    poses: Float64[np.ndarray, "bystanders 3"]
    sizes: Float64[np.ndarray, "bystanders 3"]
    """Length, width, height."""
    kinds: Int8[np.ndarray, "bystanders"]
    sway: Float64[np.ndarray, "bystanders 3"]
    """Distance [m], angular rate [rad/s] and phase [rad]."""

    def motion(
        self, steps: slice
    ) -> tuple[Float64[np.ndarray, "bystanders time 3"], Float64[np.ndarray, "bystanders time 2"]]:
        """Poses, and velocities [m/s] in the frame of the map."""
        reach_m, rate, phase = (column[:, np.newaxis] for column in self.sway.T)
        angle = rate * np.arange(steps.start, steps.stop) * STEP_S + phase
        ahead = np.stack([np.cos(self.poses[:, 2]), np.sin(self.poses[:, 2])], axis=-1)[:, np.newaxis]
        poses = np.repeat(self.poses[:, np.newaxis], angle.shape[1], axis=1)
        poses[..., :2] += (reach_m * np.sin(angle))[..., np.newaxis] * ahead
        return poses, (reach_m * rate * np.cos(angle))[..., np.newaxis] * ahead


def draw_bystanders(
    rng: np.random.Generator, town: TownMap, groups: int, walked: Float64[np.ndarray, "places 2"]
) -> Bystanders:
    """Draw groups of one to six bystanders on the walkways.

    Members that would stand on the road, in another's place or in the way of a pedestrian are left out.

    Args:
        rng: Source of randomness.
        town: The map and its walkways.
        groups: Number of groups.
        walked: Places where pedestrians walk at any time, dense along their ways, in the frame of the map.
    """
    if groups == 0:
        return Bystanders(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, dtype=np.int8), np.zeros((0, 3)))
    road, walkers = town.map.drivable_area.polygons, KDTree(walked) if len(walked) else None
    tree = shapely.STRtree(road)
    poses: list[list[float]] = []
    rides: list[bool] = []
    for _ in range(groups):
        center, members = _group_center(rng, town), int(rng.integers(1, 7))
        is_bicycle = bool(rng.uniform() < BICYCLE_SHARE)
        gap_m, kerb_gap_m, spread_m = NEIGHBOUR_M, KERB_GAP_M, GROUP_SPREAD_M
        if is_bicycle:
            gap_m, kerb_gap_m, spread_m = BICYCLE_NEIGHBOUR_M, BICYCLE_KERB_GAP_M, BICYCLE_SPREAD_M
        places = center + rng.normal(0.0, spread_m, (members, 2))
        faces_road, headings = rng.uniform(size=members) < FACING_SHARE, rng.uniform(-np.pi, np.pi, members)
        for place, faces, heading in zip(places, faces_road, headings, strict=True):
            point = shapely.Point(place)
            nearest = shapely.shortest_line(point, road[tree.nearest(point)])
            if nearest.length < kerb_gap_m or (walkers and walkers.query(place)[0] < gap_m):
                continue
            if any(np.hypot(x - place[0], y - place[1]) < gap_m for x, y, _ in poses):
                continue
            ahead = np.diff(shapely.get_coordinates(nearest), axis=0)[0]
            poses.append([*place, np.arctan2(ahead[1], ahead[0]) if faces else heading])
            rides.append(is_bicycle)
    ridden, count = np.array(rides, dtype=bool), len(poses)
    sizes = rng.uniform([0.4, 0.45, 1.5], [0.7, 0.7, 1.9], (count, 3))
    sizes[ridden] = rng.uniform([1.5, 0.45, 1.0], [1.9, 0.7, 1.4], (count, 3))[ridden]
    reach_m = np.where(ridden, 0.0, rng.uniform(0.0, MAX_REACH_M, count))
    return Bystanders(
        poses=np.array(poses).reshape(-1, 3),
        sizes=sizes,
        kinds=np.where(ridden, int(AgentKind.BICYCLE), int(AgentKind.PEDESTRIAN)).astype(np.int8),
        sway=np.stack([reach_m, rng.uniform(*RATES_RADPS, count), rng.uniform(0.0, 2.0 * np.pi, count)], axis=-1),
    )


def _group_center(rng: np.random.Generator, town: TownMap) -> Float64[np.ndarray, "2"]:
    """A place beside the middle of a walkway, in the frame of the map."""
    if rng.uniform() < CORNER_SHARE:
        return town.corners[rng.integers(len(town.corners))] + town.origin + rng.normal(0.0, 1.5, 2)
    walkways = [path.points for path in town.foot_paths if path.crosswalk_id is None]
    line = shapely.LineString(walkways[rng.integers(len(walkways))] + town.origin)
    beside = line.offset_curve(rng.uniform(-GROUP_ASIDE_M, GROUP_ASIDE_M))
    return np.array(beside.interpolate(rng.uniform(), normalized=True).coords[0])
