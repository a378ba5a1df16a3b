"""Towns from a seed: streets, traffic, and tagged recordings of drives."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from driving.checks import scenario_findings
from driving.geometry import wrap_angle
from driving.names import unknown_name
from driving.nuplan.stored_map import as_stored
from driving.recording import Recording, Tag
from driving.scenario import Scenario
from driving.scenario_types import CHALLENGE_SCENARIO_TYPES
from driving.timing import STEP_S, STEP_US
from simulation.generation.town.bystanders import draw_bystanders
from simulation.generation.town.calibrated_traffic import calibrate_drivers, lane_offsets
from simulation.generation.town.clip_selection import ClipSelection
from simulation.generation.town.drivers import draw_drivers
from simulation.generation.town.foot_network import build_foot_network
from simulation.generation.town.layout import TownSettings, plan_town, small_town
from simulation.generation.town.lights import light_statuses
from simulation.generation.town.missions import mission_from
from simulation.generation.town.motion import vehicle_motions
from simulation.generation.town.network import build_network
from simulation.generation.town.observed import Clip, ObservedTown, ParkedCars
from simulation.generation.town.pedestrians import draw_people
from simulation.generation.town.recorder import agents_in_sight, ego_motion, lights_in_sight
from simulation.generation.town.roads import build_roads
from simulation.generation.town.town_map import LOCATIONS, TownMap
from simulation.generation.town.traffic import populate, run_traffic

LEAD_IN_STEPS = 40
"""Steps before the recorded interval in which the headings of vehicles converge."""
WALKED_STEPS = 3
"""Steps between the places of pedestrians that bystanders keep free."""
MAX_PLANS = 20
"""Plans that are drawn until one can be built."""
MAX_ATTEMPTS = 4
"""Towns that are generated until one contains the wanted scenarios."""
COMMON_TYPES = (
    "starting_left_turn",
    "starting_right_turn",
    "starting_straight_traffic_light_intersection_traversal",
    "high_magnitude_speed",
    "changing_lane",
)
"""Types that occur in every town."""
START_US = 1_620_000_000_000_000
DAY_US = 86_400_000_000


def simulate_town(seed: int, settings: TownSettings, attempt: int = 0) -> ObservedTown:
    """Build a town and simulate its traffic.

    Args:
        seed: Number of the town, part of its name.
        settings: Size and traffic.
        attempt: Different attempts of one seed give different towns of one name.

    Raises:
        ValueError: When none of `MAX_PLANS` plans can be built.
    """
    rng = np.random.default_rng([seed, attempt])
    town = _buildable_town(rng, settings, town_name(seed))
    net = build_network(town)
    recorded_steps = round(settings.recorded_s / STEP_S)
    lights = light_statuses(rng, town, round(settings.warm_up_s / STEP_S) + LEAD_IN_STEPS + recorded_steps)
    foot = build_foot_network(town, net)
    drivers = draw_drivers(rng, settings)
    calibration = settings.calibration
    if calibration is None:
        vehicle_sizes = np.stack([drivers["length"], drivers["width"], drivers["height"]], axis=-1)
    else:
        vehicle_sizes = calibrate_drivers(rng, drivers, calibration)
    population = populate(rng, net, drivers, draw_people(rng, settings, foot))
    history = run_traffic(net, foot, population, lights, recorded_steps + LEAD_IN_STEPS)
    offsets = None if calibration is None else lane_offsets(rng, net, history, drivers, calibration)
    motions = vehicle_motions(rng, net, history, drivers, offsets).since(LEAD_IN_STEPS)
    return ObservedTown(
        name=town_name(seed),
        town=town,
        net=net,
        drivers=drivers,
        history=history.since(LEAD_IN_STEPS),
        motions=motions,
        lights=lights[:, -recorded_steps:],
        parked=_parked_cars(rng, town, settings),
        # A generator of its own leaves the rest of the town as it is.
        bystanders=draw_bystanders(
            np.random.default_rng([seed, attempt, 1]),
            town,
            settings.bystanders,
            history.people[LEAD_IN_STEPS::WALKED_STEPS, :, :2].reshape(-1, 2),
        ),
        people_sizes=rng.uniform([0.4, 0.45, 1.5], [0.6, 0.65, 1.9], (settings.pedestrians, 3)),
        vehicle_sizes=vehicle_sizes,
    )


def _buildable_town(rng: np.random.Generator, settings: TownSettings, name: str) -> TownMap:
    for left in reversed(range(MAX_PLANS)):
        try:
            return build_roads(rng, plan_town(rng, settings), settings, name)
        except ValueError:
            if left == 0:
                raise
    raise AssertionError("MAX_PLANS is at least 1")


def _parked_cars(rng: np.random.Generator, town: TownMap, settings: TownSettings) -> ParkedCars:
    places = town.parking_poses
    places = places[rng.uniform(size=len(places)) < settings.parked_share]
    jitter = rng.normal(size=(len(places), 3)) * np.array([0.08, 0.05, 0.015])
    poses = places + np.clip(jitter, -0.15, 0.15)
    return ParkedCars(poses, rng.uniform([4.0, 1.7, 1.4], [5.2, 1.95, 1.95], (len(poses), 3)))


def town_name(seed: int) -> str:
    """Name of a town's map."""
    return f"town-{seed:04d}"


def generate_town(
    seed: int, settings: TownSettings | None = None, quotas: dict[str, int] | None = None
) -> list[Recording]:
    """Recordings of drives through the town of a seed, all on one map.

    Args:
        seed: Equal seeds and settings give equal towns.
        settings: Size, traffic and length of the recordings.
        quotas: Scenarios wanted of each type; None distributes them evenly.

    Returns:
        As many recordings as the scenarios need. Every tagged scenario passes `check_scenario`. A type that is too
        rare is replaced by a frequent one; each type of `quotas` occurs at least once.

    Raises:
        ValueError: When `MAX_ATTEMPTS` towns of the seed do not contain the wanted scenarios.
    """
    settings = settings or TownSettings()
    wanted = dict(quotas) if quotas is not None else even_quotas(settings.scenarios)
    for attempt in range(MAX_ATTEMPTS):
        recordings = _record_town(simulate_town(seed, settings, attempt), settings, wanted, seed)
        found = {tag.scenario_type for one in recordings for tag in one.tags}
        missing = [name for name, count in wanted.items() if quotas is not None and count and name not in found]
        if not missing and sum(len(one.tags) for one in recordings) == sum(wanted.values()):
            return recordings
    raise ValueError(
        f"{MAX_ATTEMPTS} towns of seed {seed} did not contain {sum(wanted.values())} scenarios of the wanted types"
        f"{'; missing: ' + ', '.join(missing) if missing else ''}. Raise recorded_s, or ask for fewer scenarios."
    )


def _record_town(
    observed: ObservedTown, settings: TownSettings, wanted: dict[str, int], seed: int
) -> list[Recording]:
    selection = ClipSelection(observed, round(settings.recording_s / STEP_S))
    recordings: list[Recording] = []
    missing = dict(wanted)
    while sum(missing.values()):
        choice = selection.best(missing)
        if choice is None:
            # The remaining scenarios are of the most frequent type.
            frequent = selection.most_frequent()
            if frequent is None:
                break
            missing = dict.fromkeys(missing, 0) | {frequent: sum(missing.values())}
            continue
        clip, tags = choice
        recording = _record(observed, clip, tags, seed)
        kept = tuple(tag for tag in recording.tags if _is_sound(recording, tag))
        selection.close(clip)
        if not kept:
            continue
        for tag in kept:
            missing[tag.scenario_type] -= 1
        recordings.append(_with_tags(recording, kept))
    return recordings


def even_quotas(scenarios: int) -> dict[str, int]:
    """Scenarios of each challenge type that sum up to a number."""
    share, rest = divmod(scenarios, len(CHALLENGE_SCENARIO_TYPES))
    return {name: share + (place < rest) for place, name in enumerate(CHALLENGE_SCENARIO_TYPES)}


def quotas_of_towns(scenarios: int, towns: int) -> list[dict[str, int]]:
    """Distribute the scenarios of a world evenly over its towns, type by type."""
    quotas: list[dict[str, int]] = [dict.fromkeys(CHALLENGE_SCENARIO_TYPES, 0) for _ in range(towns)]
    turn = 0
    for name, count in even_quotas(scenarios).items():
        for _ in range(count):
            quotas[turn % towns][name] += 1
            turn += 1
    return quotas


def town_settings(number: int, *, is_small: bool = False) -> TownSettings:
    """Settings of the n-th town of a world. Consecutive towns have different locations."""
    return replace(small_town() if is_small else TownSettings(), location=list(LOCATIONS)[number % len(LOCATIONS)])


class TownGenerator:
    """One scenario per seed, from a small town; the condition is a scenario type."""

    def __init__(self, settings: TownSettings | None = None) -> None:
        self.settings = settings or small_town()

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario of the town of a seed.

        Args:
            seed: Number of the town.
            condition: One of nuPlan's 14 challenge types; None takes one of `COMMON_TYPES` by the seed.

        Raises:
            ValueError: For another condition, or when the towns of the seed do not contain the type.
        """
        if condition is None:
            condition = COMMON_TYPES[seed % len(COMMON_TYPES)]
        if condition not in CHALLENGE_SCENARIO_TYPES:
            raise ValueError(unknown_name("scenario type of towns named", condition, CHALLENGE_SCENARIO_TYPES))
        recording = generate_town(seed, self.settings, {condition: 1})[0]
        return recording.scenario(recording.tags[0])


def _record(observed: ObservedTown, clip: Clip, tags: Sequence[Tag], seed: int) -> Recording:
    length = clip.stop - clip.start
    # Two drives of one town may overlap in time: each vehicle has a log of its own.
    begin_us = START_US + seed % 5000 * DAY_US + clip.start * STEP_US
    time_us = begin_us + np.arange(length, dtype=np.int64) * STEP_US
    stamp = np.datetime64(begin_us, "us").astype("datetime64[s]").item().strftime("%Y.%m.%d.%H.%M.%S")
    first_s = round(clip.start * STEP_S)
    starts = [(tags[0].frame, 0), *((tag.frame, tag.frame) for tag in tags)]
    missions = [mission_from(observed, clip.vehicle, clip.start + frame - 30, first) for frame, first in starts]
    ego = ego_motion(observed, clip, time_us)
    assert np.abs(wrap_angle(np.diff(ego.rear_axle_poses[0, :, 2]))).max() < 0.3
    return Recording(
        log_name=f"{stamp}_veh-{clip.vehicle:02d}_{first_s:05d}_{first_s + round(length * STEP_S):05d}",
        map=as_stored(observed.town.map),
        time_us=time_us,
        ego=ego,
        agents=agents_in_sight(observed, clip),
        traffic_lights=lights_in_sight(observed, clip),
        missions=tuple(missions),
        tags=tuple(tags),
        metadata={"origin": f"generated: town of seed {seed}"},
    )


def _is_sound(recording: Recording, tag: Tag) -> bool:
    """Whether a tagged scenario passes `check_scenario`."""
    return not any(finding.is_error for finding in scenario_findings(recording.scenario(tag)))


def _with_tags(recording: Recording, tags: tuple[Tag, ...]) -> Recording:
    """The recording with some of its tags and their missions."""
    first = recording.missions[0]
    kept = {tag.frame for tag in tags}
    missions = (first, *[mission for mission in recording.missions[1:] if mission.first_frame in kept])
    return replace(recording, missions=missions, tags=tags)
