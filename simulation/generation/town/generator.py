"""A town from a seed: streets, traffic, and recordings of drives through it, tagged by what happens in them."""

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
from driving.timing import STEP_S
from simulation.generation.town.drivers import draw_drivers
from simulation.generation.town.ego import Watched, ego_motion, mission_from, seen_agents, seen_lights
from simulation.generation.town.layout import TownSettings, plan_town, small_town
from simulation.generation.town.lights import light_statuses
from simulation.generation.town.motion import vehicle_motions
from simulation.generation.town.network import build_network
from simulation.generation.town.pedestrians import build_foot_network, draw_people
from simulation.generation.town.roads import LOCATIONS, build_roads
from simulation.generation.town.tagging import spaced, tag_frames
from simulation.generation.town.traffic import run_traffic

HISTORY_FRAMES = 53
"""Frames before the first tag: 3 s of scenario, 2.2 s of history and one more."""
FUTURE_FRAMES = 201
"""Frames behind the last tag: 12 s of scenario and 8 s after it."""
LEAD_IN_STEPS = 40
"""Steps before the watched ones, in which headings settle on where the vehicles go."""
MAX_PLANS, MAX_ATTEMPTS = 20, 4
"""Plans that are drawn until one can be built, and towns until one shows what is wanted."""
STARTS_EVERY = 50
"""Steps between the starts of recordings that are weighed against each other."""
TAGS_APART = 10
"""Frames between two tags of a recording."""
SAME_TYPE_APART = 60
"""Frames between two tags of one type."""
MAX_TAGS_PER_RECORDING = 10
COMMON_TYPES = (
    "starting_left_turn",
    "starting_right_turn",
    "starting_straight_traffic_light_intersection_traversal",
    "high_magnitude_speed",
    "changing_lane",
)
"""Types that happen in any town."""
MIN_DRIVEN_M = 16.0
"""Distance that the ego drives in a scenario: below 10 m nuPlan's progress metric rewards standing still."""
START_US = 1_620_000_000_000_000
DAY_US = 86_400_000_000


def watch_town(seed: int, settings: TownSettings, attempt: int = 0) -> Watched:
    """Build a town and let traffic run in it.

    Args:
        seed: Names the town.
        settings: Its size and traffic.
        attempt: Another town of the same name, where the first did not suit.

    Raises:
        ValueError: When none of `MAX_PLANS` plans can be built.
    """
    rng = np.random.default_rng([seed, attempt])
    for left in reversed(range(MAX_PLANS)):
        try:
            roads = build_roads(rng, plan_town(rng, settings), settings, town_name(seed))
        except ValueError:
            if left == 0:
                raise
            continue
        break
    net = build_network(roads)
    watched_steps = round(settings.watched_s / STEP_S)
    steps = round(settings.warm_up_s / STEP_S) + LEAD_IN_STEPS + watched_steps
    lights = light_statuses(rng, roads, steps, STEP_S)
    foot = build_foot_network(roads, net)
    drivers = draw_drivers(rng, settings)
    people = draw_people(rng, settings, foot)
    history = run_traffic(rng, net, foot, drivers, people, lights, watched_steps + LEAD_IN_STEPS)
    motions = vehicle_motions(rng, net, history, drivers).since(LEAD_IN_STEPS)
    places = roads.parking_poses
    places = places[rng.uniform(size=len(places)) < settings.parked_share]
    jitter = rng.normal(size=(len(places), 3)) * np.array([0.08, 0.05, 0.015])
    parked = places + np.clip(jitter, -0.15, 0.15)
    return Watched(
        roads=roads,
        net=net,
        drivers=drivers,
        history=history.since(LEAD_IN_STEPS),
        motions=motions,
        lights=lights[:, -watched_steps:],
        parked_poses=parked,
        parked_sizes=rng.uniform([4.0, 1.7, 1.4], [5.2, 1.95, 1.95], (len(parked), 3)),
        people_sizes=rng.uniform([0.4, 0.45, 1.5], [0.6, 0.65, 1.9], (settings.pedestrians, 3)),
        name=town_name(seed),
    )


def town_name(seed: int) -> str:
    """Name of a town's map."""
    return f"town-{seed:04d}"


def generate_town(
    seed: int, settings: TownSettings | None = None, quotas: dict[str, int] | None = None
) -> list[Recording]:
    """Recordings of drives through the town of a seed, all on one map.

    Args:
        seed: Names the town. The same seed and settings give the same town on every run.
        settings: Size, traffic and length of the recordings.
        quotas: Scenarios wanted of each type; evenly spread when left out.

    Returns:
        As many recordings as are needed for the scenarios. Every tagged scenario passes `check_scenario`. Where a
        type does not happen often enough, others take its place; each of the `quotas` is met once at least.

    Raises:
        ValueError: When `MAX_ATTEMPTS` towns of the seed do not show what is wanted.
    """
    settings = settings or TownSettings()
    wanted = dict(quotas) if quotas is not None else spread(settings.scenarios)
    for attempt in range(MAX_ATTEMPTS):
        recordings = _record_town(watch_town(seed, settings, attempt), settings, wanted, seed)
        found = {tag.scenario_type for one in recordings for tag in one.tags}
        missing = [name for name, count in wanted.items() if quotas is not None and count and name not in found]
        if not missing and sum(len(one.tags) for one in recordings) == sum(wanted.values()):
            return recordings
    raise ValueError(
        f"{MAX_ATTEMPTS} towns of seed {seed} did not show {sum(wanted.values())} scenarios of the types that are"
        f" wanted{': missing ' + ', '.join(missing) if missing else ''}. Watch them longer, or ask for fewer."
    )


def _record_town(watched: Watched, settings: TownSettings, wanted: dict[str, int], seed: int) -> list[Recording]:
    length = round(settings.recording_s / STEP_S)
    picks = _Picks(watched, length)
    recordings: list[Recording] = []
    left = dict(wanted)
    while sum(left.values()):
        pick = picks.best(left)
        if pick is None:
            # What did not happen often enough is made up for by what happened most.
            spare = picks.most_frequent()
            if spare is None:
                break
            left = dict.fromkeys(left, 0) | {spare: sum(left.values())}
            continue
        vehicle, start, tags = pick
        recording = _record(watched, vehicle, start, length, tags, seed)
        kept = tuple(tag for tag in recording.tags if _is_sound(recording, tag))
        picks.done(vehicle, start)
        if not kept:
            continue
        for tag in kept:
            left[tag.scenario_type] -= 1
        recordings.append(_with_tags(recording, kept))
    return recordings


def spread(scenarios: int) -> dict[str, int]:
    """How many scenarios of each challenge type make up a number."""
    share, rest = divmod(scenarios, len(CHALLENGE_SCENARIO_TYPES))
    return {name: share + (place < rest) for place, name in enumerate(CHALLENGE_SCENARIO_TYPES)}


def quotas_of_towns(scenarios: int, towns: int) -> list[dict[str, int]]:
    """Deal out the scenarios of a world to its towns, as evenly as can be, type by type."""
    quotas: list[dict[str, int]] = [dict.fromkeys(CHALLENGE_SCENARIO_TYPES, 0) for _ in range(towns)]
    turn = 0
    for name, count in spread(scenarios).items():
        for _ in range(count):
            quotas[turn % towns][name] += 1
            turn += 1
    return quotas


def town_settings(number: int, *, is_small: bool = False) -> TownSettings:
    """The settings of the n-th town of a world: towns lie at different places on earth."""
    return replace(small_town() if is_small else TownSettings(), location=list(LOCATIONS)[number % len(LOCATIONS)])


class TownGenerator:
    """One scenario at a time: a small town per seed, and in it what the condition asks for."""

    def __init__(self, settings: TownSettings | None = None) -> None:
        self.settings = settings or small_town()

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario of the town of a seed.

        Args:
            seed: Names the town.
            condition: One of nuPlan's 14 challenge types; None for the type that the seed names.

        Raises:
            ValueError: For another condition, or when that does not happen in the towns of the seed.
        """
        if condition is None:
            condition = COMMON_TYPES[seed % len(COMMON_TYPES)]
        if condition not in CHALLENGE_SCENARIO_TYPES:
            raise ValueError(unknown_name("scenario type of towns named", condition, CHALLENGE_SCENARIO_TYPES))
        recording = generate_town(seed, self.settings, {condition: 1})[0]
        return recording.scenario(recording.tags[0])


class _Picks:
    """Weighs which drives to record, so that few recordings show what is wanted."""

    def __init__(self, watched: Watched, length: int) -> None:
        self.watched, self.length = watched, length
        self.vehicles = np.flatnonzero(watched.drivers["is_ego_make"]).tolist()
        self.events = {vehicle: _events(watched, vehicle) for vehicle in self.vehicles}
        last_start = len(watched.history.v) - length
        self.open = {
            (vehicle, start): True for vehicle in self.vehicles for start in range(0, last_start + 1, STARTS_EVERY)
        }
        total = {name: sum(len(events[name]) for events in self.events.values()) for name in CHALLENGE_SCENARIO_TYPES}
        self.total = total
        self.rarity = {name: 1.0 / max(total[name], 1) ** 0.5 for name in CHALLENGE_SCENARIO_TYPES}

    def done(self, vehicle: int, start: int) -> None:
        """Record nothing of this drive again that overlaps the recording."""
        for other in range(start - self.length + 1, start + self.length):
            if (vehicle, other) in self.open:
                self.open[vehicle, other] = False

    def most_frequent(self) -> str | None:
        """The type that most drives left over show; None when none is left."""
        order = sorted(CHALLENGE_SCENARIO_TYPES, key=lambda name: -self.total[name])
        for name in order:
            if self.best({name: 1}) is not None:
                return name
        return None

    def best(self, left: dict[str, int]) -> tuple[int, int, list[Tag]] | None:
        """The drive whose tags are wanted most: vehicle, first step, tags."""
        best, best_worth = None, 0.0
        for (vehicle, start), is_open in self.open.items():
            if not is_open:
                continue
            tags = self._tags(vehicle, start, left)
            worth = sum(self.rarity[tag.scenario_type] for tag in tags)
            if worth > best_worth:
                best, best_worth = (vehicle, start, tags), worth
        return best

    def _tags(self, vehicle: int, start: int, left: dict[str, int]) -> list[Tag]:
        taken: list[Tag] = []
        frames: list[int] = []
        for name in sorted(left, key=lambda one: self.total.get(one, 0)):
            count = 0
            for step in self.events[vehicle][name].tolist():
                frame = step - start
                if count >= left[name] or len(taken) >= MAX_TAGS_PER_RECORDING:
                    break
                if not HISTORY_FRAMES <= frame < self.length - FUTURE_FRAMES:
                    continue
                if any(abs(frame - other) < TAGS_APART for other in frames):
                    continue
                taken.append(Tag(frame=frame, scenario_type=name))
                frames.append(frame)
                count += 1
        return sorted(taken, key=lambda tag: tag.frame)


def _events(watched: Watched, vehicle: int) -> dict[str, np.ndarray]:
    """Steps worth a tag, by type: spaced, and with some way driven in the scenario."""
    driven = np.concatenate([[0.0], np.cumsum(watched.history.v[:, vehicle] * STEP_S)])
    steps = np.arange(len(watched.history.v))
    way = driven[np.minimum(steps + 120, len(steps))] - driven[np.maximum(steps - 30, 0)]
    return {
        name: spaced(np.flatnonzero(mask & (way > MIN_DRIVEN_M)), SAME_TYPE_APART)
        for name, mask in tag_frames(watched, vehicle).items()
    }


def _record(watched: Watched, vehicle: int, start: int, length: int, tags: Sequence[Tag], seed: int) -> Recording:
    stop = start + length
    # Two drives of one town may overlap in time: each vehicle writes its own log.
    begin_us = START_US + seed % 5000 * DAY_US + start * round(STEP_S * 1e6)
    time_us = begin_us + np.arange(length, dtype=np.int64) * round(STEP_S * 1e6)
    stamp = np.datetime64(begin_us, "us").astype("datetime64[s]").item().strftime("%Y.%m.%d.%H.%M.%S")
    first_s = round(start * STEP_S)
    missions = [mission_from(watched, vehicle, start + tags[0].frame - 30, 0)]
    missions += [mission_from(watched, vehicle, start + tag.frame - 30, tag.frame) for tag in tags]
    ego = ego_motion(watched, vehicle, start, stop, time_us)
    assert np.abs(wrap_angle(np.diff(ego.rear_axle_poses[0, :, 2]))).max() < 0.3
    return Recording(
        log_name=f"{stamp}_veh-{vehicle:02d}_{first_s:05d}_{first_s + round(length * STEP_S):05d}",
        map=as_stored(watched.roads.map),
        time_us=time_us,
        ego=ego,
        agents=seen_agents(watched, vehicle, start, stop),
        traffic_lights=seen_lights(watched, vehicle, start, stop),
        missions=tuple(missions),
        tags=tuple(tags),
        metadata={"origin": f"generated: town of seed {seed}"},
    )


def _is_sound(recording: Recording, tag: Tag) -> bool:
    """Whether a tagged scenario passes the checks that every scenario is held against."""
    return not any(finding.is_error for finding in scenario_findings(recording.scenario(tag)))


def _with_tags(recording: Recording, tags: tuple[Tag, ...]) -> Recording:
    first = recording.missions[0]
    kept = {tag.frame for tag in tags}
    missions = (first, *[mission for mission in recording.missions[1:] if mission.first_frame in kept])
    return replace(recording, missions=missions, tags=tags)
