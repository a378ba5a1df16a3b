"""Changes of one agent: a few numbers, the motion that they give, and the scenario with it."""

from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64
from scipy.ndimage import gaussian_filter1d

from driving.agents import AgentKind, AgentTracks
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.generation.adversarial.courses import AgentCourse
from simulation.generation.ways_out.deviations import quintic_shift

VISIBLE_M = 0.3
"""A change of behaviour is visible when the agent is this far from where it would be without the event."""
JERK_STEPS = 1.5
"""Smoothing of speed changes over time, so that accelerations do not jump."""
TURN_S = 1.0
"""Time in which a pedestrian changes its velocity."""
PEAK_BEND = 5.774
"""Largest second derivative of the quintic shift; times shift over squared length it is the curvature."""
MAX_BEND_PER_M, MAX_SIDE_MPS2 = 0.15, 5.5
"""Shifts are long enough to keep to this curvature and lateral acceleration."""
HEIGHT_M = {AgentKind.VEHICLE: 1.6, AgentKind.BICYCLE: 1.7, AgentKind.PEDESTRIAN: 1.7}
"""Of generated neighbours."""
MOVING_MPS = 0.3
"""Below this speed an agent keeps its heading."""


@dataclass(frozen=True, kw_only=True)
class AgentChange:
    """What one agent does differently."""

    manoeuvre: str
    """A name of `manoeuvres.MANOEUVRES`."""
    track_id: str
    time_shift_s: float = 0.0
    """The agent is where its log is this much later."""
    speed_scale: float = 1.0
    """Factor on the speed of the log, from iteration 0 on."""
    event_s: float | None = None
    """Time from iteration 0 at which the behaviour changes; None for no event."""
    accel_mps2: float = 0.0
    """Magnitude of the change of speed at the event."""
    target_mps: float | None = None
    """Speed after the event; None keeps the schedule of the log."""
    stop_m: float | None = None
    """Distance after the event at which an agent that stood until then stands again; None for driving on."""
    left_m: float = 0.0
    """Lateral shift at the event, left positive."""
    shift_s: float = 2.0
    """Duration of the lateral shift at the speed of the event, or longer where its curvature requires it."""
    back_s: float | None = None
    """Time from the end of the shift to the start of the return to the path; None for no return."""
    stands_m: float | None = None
    """Place on its path at which the agent stands from the beginning, `left_m` beside it; None for a moving agent."""
    cross_rad: float | None = None
    """Global direction in which a pedestrian leaves its path at the event, at `target_mps`."""
    cross_m: float = 10.0
    """Distance in that direction, after which the pedestrian stands."""
    aggressiveness: float | None = None
    """Of the learned traffic model, which moves the agent from the event on; None for another manoeuvre."""
    unseen_s: float = 0.0
    """Time after the event for which that model does not observe the ego."""
    draw: float = 0.0
    """Selects the random numbers of that model, in [0, 1]."""

    def numbers(self) -> dict[str, float | str | None]:
        """The fields, for files."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangedMotion:
    """Motion of a changed agent over the scenario's time axis."""

    poses: Float64[np.ndarray, "time 3"]
    """Box centre, global; finite everywhere."""
    valid: Bool[np.ndarray, "time"]
    visible_step: int
    """Step from which the surprise is visible; of a change without event the first observed one."""


def changed_motion(course: AgentCourse, change: AgentChange, frames: slice) -> ChangedMotion:
    """The motion that a change gives; the agent is not observed after the last frame.

    Args:
        course: Of the agent.
        change: Of its behaviour.
        frames: Of the scenario, on the time axis.
    """
    motion = _changed_motion(course, change, frames.start)
    valid = motion.valid.copy()
    valid[frames.stop :] = False
    return replace(motion, valid=valid)


def _changed_motion(course: AgentCourse, change: AgentChange, first_frame: int) -> ChangedMotion:
    if change.stands_m is not None:
        return _standing(course, change.stands_m, change.left_m)
    steps = np.arange(len(course.along_m), dtype=np.float64)
    logged = first_frame + change.time_shift_s / STEP_S + change.speed_scale * (steps - first_frame)
    valid = course.is_observed(logged)
    along = course.places(logged)
    usual = course.path.poses(along)
    if change.event_s is None:
        observed = np.flatnonzero(valid[first_frame:])
        visible = first_frame + int(observed[0]) if len(observed) else len(steps)
        return ChangedMotion(poses=_global(course, usual), valid=valid, visible_step=visible)
    event = int(np.clip(first_frame + round(change.event_s / STEP_S), 1, len(steps) - 2))
    if change.cross_rad is not None:
        poses = _crossing(usual, change, event)
        valid = valid.copy()
        valid[event:] = valid[event]
    else:
        if change.target_mps is not None:
            along = _with_new_speed(along, change, event)
            valid = valid.copy()
            valid[event:] = valid[event]
        poses = _shifted(course, along, change, event)
    differs = np.hypot(*(poses[:, :2] - usual[:, :2]).T) > VISIBLE_M
    differs[:event] = False
    visible = int(np.argmax(differs)) if differs.any() else len(steps)
    return ChangedMotion(poses=_global(course, poses), valid=valid, visible_step=visible)


def _standing(course: AgentCourse, along_m: float, left_m: float) -> ChangedMotion:
    """An agent that stands from the beginning of the time axis on."""
    x, y, heading = course.path.poses(np.array([along_m]))[0]
    pose = np.array([x - left_m * np.sin(heading), y + left_m * np.cos(heading), heading])
    count = len(course.along_m)
    poses = _global(course, np.broadcast_to(pose, (count, 3)))
    return ChangedMotion(poses=poses, valid=np.ones(count, dtype=bool), visible_step=0)


def _global(course: AgentCourse, poses: Float64[np.ndarray, "time 3"]) -> Float64[np.ndarray, "time 3"]:
    return poses + np.array([*course.origin, 0.0])


def _with_new_speed(
    along: Float64[np.ndarray, "time"], change: AgentChange, event: int
) -> Float64[np.ndarray, "time"]:
    """Places with another speed from the event on."""
    assert change.target_mps is not None
    speed = np.gradient(along)  # Per step.
    start = speed[event] / STEP_S
    since = np.maximum(np.arange(len(along)) - event, 0) * STEP_S
    gap = change.target_mps - start
    wanted = start + np.sign(gap) * np.minimum(change.accel_mps2 * since, abs(gap))
    if change.stop_m is not None:
        # Up to the largest speed and down again at one rate: that speed and the distance give the duration.
        peak = min(change.target_mps, float(np.sqrt(change.accel_mps2 * change.stop_m)))
        end_s = change.stop_m / peak + peak / change.accel_mps2
        wanted = np.minimum(wanted, np.maximum(change.accel_mps2 * (end_s - since), 0.0))
    smooth = gaussian_filter1d(wanted, JERK_STEPS, mode="nearest")
    smooth = np.where(np.arange(len(along)) <= event, start, smooth)
    made = np.concatenate([[0.0], np.cumsum((smooth[event:-1] + smooth[event + 1 :]) / 2 * STEP_S)])
    return np.concatenate([along[:event], along[event] + made])


def _shifted(
    course: AgentCourse, along: Float64[np.ndarray, "time"], change: AgentChange, event: int
) -> Float64[np.ndarray, "time 3"]:
    """Poses on the path with the lateral shift; the shift advances with the distance, not with time."""
    poses = course.path.poses(along)
    if change.left_m:
        pace = abs(float(along[event + 1] - along[event - 1])) / (2 * STEP_S)
        pace = max(pace, change.target_mps or 0.0)
        gentle = np.sqrt(PEAK_BEND * abs(change.left_m) / min(MAX_BEND_PER_M, MAX_SIDE_MPS2 / max(pace, 0.1) ** 2))
        length = max(change.shift_s * pace, float(gentle))
        gone = along - along[event]
        left, slope = quintic_shift(gone, 0.0, length, change.left_m)
        if change.back_s is not None:
            back, back_slope = quintic_shift(gone, length + change.back_s * pace, length, -change.left_m)
            left, slope = left + back, slope + back_slope
        heading = poses[:, 2]
        poses = np.stack(
            [poses[:, 0] - left * np.sin(heading), poses[:, 1] + left * np.cos(heading), heading + np.arctan(slope)],
            axis=-1,
        )
    return poses


def _crossing(usual: Float64[np.ndarray, "time 3"], change: AgentChange, event: int) -> Float64[np.ndarray, "time 3"]:
    """Poses of a pedestrian that leaves its path."""
    assert change.cross_rad is not None
    assert change.target_mps is not None
    velocity = np.gradient(usual[:, :2], axis=0) / STEP_S
    since_s = (np.arange(len(usual)) - event) * STEP_S
    end_s = change.cross_m / change.target_mps
    share, rest = _ramp(since_s / TURN_S), 1.0 - _ramp((since_s - end_s) / TURN_S)
    across = change.target_mps * np.array([np.cos(change.cross_rad), np.sin(change.cross_rad)])
    mixed = (1.0 - share) * velocity + share * rest * across
    made = np.concatenate([np.zeros((1, 2)), np.cumsum((mixed[event:-1] + mixed[event + 1 :]) / 2 * STEP_S, axis=0)])
    points = np.concatenate([usual[:event, :2], usual[event, :2] + made])
    speed = np.hypot(mixed[:, 0], mixed[:, 1])
    heading = np.where(speed > MOVING_MPS, np.arctan2(mixed[:, 1], mixed[:, 0]), change.cross_rad)
    heading[: event + 3] = usual[: event + 3, 2]
    return np.concatenate([points, heading[:, np.newaxis]], axis=-1)


def _ramp(share: Float64[np.ndarray, "time"]) -> Float64[np.ndarray, "time 1"]:
    inside = np.clip(share, 0.0, 1.0)
    return np.asarray(inside**2 * (3.0 - 2.0 * inside))[:, np.newaxis]


@dataclass(frozen=True, kw_only=True)
class HeldCourse:
    """What remains of a course in a file: which agent it is, and its box."""

    row: int
    kind: AgentKind
    length_m: float
    width_m: float
    first: int


def changed_scenario(
    scenario: Scenario, course: AgentCourse | HeldCourse, motion: ChangedMotion, track_id: str
) -> Scenario:
    """The scenario with the changed agent, which it is about; everything else is as before.

    A generated neighbour, with a row beyond the last agent, is added.
    """
    agents, row = scenario.agents, course.row
    if row == agents.num_agents:
        agents = _with_another(agents, track_id, course.kind)
    seen = motion.valid[:, np.newaxis]
    poses, velocities, sizes = agents.poses.copy(), agents.velocities_mps.copy(), agents.sizes.copy()
    valid, z_m, order = agents.valid.copy(), agents.z_m.copy(), agents.order.copy()
    poses[row] = np.where(seen, motion.poses, np.nan)
    velocities[row] = np.where(seen, _velocities(motion), np.nan)
    sizes[row] = np.where(seen, [course.length_m, course.width_m], np.nan)
    known = agents.z_m[row, course.first] if agents.valid[row].any() else 0.0
    z_m[row] = np.where(motion.valid, np.where(agents.valid[row], agents.z_m[row], known), np.nan)
    added = motion.valid & ~agents.valid[row]
    order[row, added] = np.where(agents.valid, order, -1).max(axis=0)[added] + 1
    valid[row] = motion.valid
    changed = replace(agents, poses=poses, velocities_mps=velocities, sizes=sizes, valid=valid, z_m=z_m, order=order)
    return replace(scenario, agents=changed, about_track=track_id)


def _with_another(agents: AgentTracks, track_id: str, kind: AgentKind) -> AgentTracks:
    """The agents and one more, which is not observed yet."""
    steps = (1, agents.num_steps)
    unobserved = AgentTracks(
        track_ids=(track_id,),
        kinds=np.array([kind], dtype=np.int8),
        poses=np.full((*steps, 3), np.nan),
        velocities_mps=np.full((*steps, 2), np.nan),
        sizes=np.full((*steps, 2), np.nan),
        valid=np.zeros(steps, dtype=bool),
        heights_m=np.array([HEIGHT_M[kind]]),
    )
    return agents.joined(unobserved)


def _velocities(motion: ChangedMotion) -> Float64[np.ndarray, "time 2"]:
    return np.gradient(motion.poses[:, :2], axis=0) / STEP_S


def is_changeable(kind: AgentKind) -> bool:
    """Whether agents of a kind can be changed."""
    return kind in (AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN)
