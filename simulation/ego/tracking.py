"""Plan tracking: nuPlan's decoupled LQR tracker, for one plan and for a batch of proposals.

Two regularised least-squares fits give the reference speed and curvature of a plan. nuPlan solves them with
pseudo-inverses of dense matrices. Here the unknowns are speeds and curvatures instead of their rates, so that the
matrices of the same problems have five and three diagonals.

Source:
    nuPlan devkit, `LQRTracker` and `tracker_utils`; tuPlan garage, `BatchLQRTracker` (for the batch).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from driving.timing import STEP_S, STEP_US
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import HEADING, STATE_SIZE, STEERING, VELOCITY_X, Commands, X, Y, step_bicycle
from simulation.geometry.angles import unwrapped, wrap
from simulation.geometry.compiling import njit

HORIZON = 10
"""Steps of the LQR."""
SPEED_WEIGHT = 10.0
ACCEL_WEIGHT = 1.0
LATERAL_WEIGHT = 1.0
HEADING_WEIGHT = 10.0
STEERING_RATE_WEIGHT = 1.0
JERK_PENALTY = 1e-4
CURVATURE_RATE_PENALTY = 1e-2
INITIAL_CURVATURE_PENALTY = 1e-10
STOPPING_GAIN = 0.5
STOPPING_SPEED_MPS = 0.2
MIN_PLAN_HORIZON_S = STEP_S
"""The tracker needs a second pose one step ahead; beyond the end of the plan it holds the last reference."""


@njit(cache=True)
def fit_profiles(
    poses: Float64[np.ndarray, "times 3"],
    speed: Float64[np.ndarray, "steps"],
    curvature: Float64[np.ndarray, "steps"],
    is_proposal: bool = False,
) -> None:
    """Fit speed and curvature at the start of each interval of a path sampled every `STEP_S`.

    Args:
        poses: Path.
        speed: Receives speeds [m/s], fitted with a penalty on jerk.
        curvature: Receives curvatures [1/m], fitted with a penalty on their rate.
        is_proposal: Use tuPlan garage's penalty for proposals.
    """
    _fit_speed(poses, speed, is_proposal)
    _fit_curvature(poses, speed, curvature)


@njit(cache=True)
def _fit_speed(poses: np.ndarray, speed: np.ndarray, is_proposal: bool) -> None:
    """Minimise sum |dp_k - h v_k u_k|^2 + penalty * sum (second difference of v / h)^2 by banded LDL^T."""
    # quirk: accel_for_jerk (tuPlan garage's difference matrix lacks all ones but the last: it penalises
    # accelerations, and the jerk at the end only)
    num = len(speed)
    penalty = JERK_PENALTY / (STEP_S * STEP_S)
    diagonal = np.full(num, STEP_S * STEP_S)
    first = np.zeros(num)
    second = np.zeros(num)
    for k in range(num):
        dx, dy = poses[k + 1, 0] - poses[k, 0], poses[k + 1, 1] - poses[k, 1]
        speed[k] = STEP_S * (math.cos(poses[k, 2]) * dx + math.sin(poses[k, 2]) * dy)
    for k in range(num - 2):
        if is_proposal and k < num - 3:
            diagonal[k] += penalty
            diagonal[k + 1] += penalty
            first[k] -= penalty
            continue
        diagonal[k] += penalty
        diagonal[k + 1] += 4.0 * penalty
        diagonal[k + 2] += penalty
        first[k] -= 2.0 * penalty
        first[k + 1] -= 2.0 * penalty
        second[k] += penalty
    # first[k], second[k] couple k with k + 1 and k + 2; the factor's entries replace them in place.
    for k in range(num):
        if k + 1 < num:
            low = first[k] / diagonal[k]
            diagonal[k + 1] -= low * first[k]
            speed[k + 1] -= low * speed[k]
            if k + 2 < num:
                lower = second[k] / diagonal[k]
                first[k + 1] -= lower * first[k]
                diagonal[k + 2] -= lower * second[k]
                speed[k + 2] -= lower * speed[k]
                second[k] = lower
            first[k] = low
    for k in range(num - 1, -1, -1):
        value = speed[k] / diagonal[k]
        if k + 1 < num:
            value -= first[k] * speed[k + 1]
        if k + 2 < num:
            value -= second[k] * speed[k + 2]
        speed[k] = value


@njit(cache=True)
def _fit_curvature(poses: np.ndarray, speed: np.ndarray, curvature: np.ndarray) -> None:
    """Minimise sum (dpsi_k - h v_k c_k)^2 + penalty * sum (difference of c / h)^2 + tiny * c_0^2.

    Elimination starts at the end and keeps, for each row, its part of the diagonal without the couplings. It never
    subtracts nearly equal numbers: a plan that hardly moves, which only the tiny term on c_0 makes regular, loses no
    digits.
    """
    num = len(speed)
    coupling = CURVATURE_RATE_PENALTY / (STEP_S * STEP_S)
    own = np.empty(num)
    for k in range(num - 1, -1, -1):
        arm = STEP_S * speed[k]
        own[k] = arm * arm
        curvature[k] = arm * wrap(poses[k + 1, 2] - poses[k, 2])
        if k == 0:
            own[0] += INITIAL_CURVATURE_PENALTY
        if k + 1 < num:
            share = coupling / (coupling + own[k + 1])
            own[k] += share * own[k + 1]
            curvature[k] += share * curvature[k + 1]
    curvature[0] /= own[0]
    for k in range(1, num):
        curvature[k] = (curvature[k] + coupling * curvature[k - 1]) / (own[k] + coupling)


class Reference(NamedTuple):
    """Input of the LQR from the plan at one step."""

    x: float
    """Pose of the plan now, global [m, rad]."""
    y: float
    heading: float
    speed_mps: float
    """At the end of the horizon."""
    curvatures: Float64[np.ndarray, "horizon"]
    """From now on, every `STEP_S` [1/m]."""


# Reciprocals may replace repeated divisions by one number: this costs the last digit and saves a tenth of the time.
@njit(cache=True, fastmath={"arcp"})
def lqr_commands(state: Float64[np.ndarray, "10"], reference: Reference, wheelbase_m: float) -> Commands:
    """Commands of the one-step LQR over the horizon."""
    speed, steering, curvatures = state[VELOCITY_X], state[STEERING], reference.curvatures
    if reference.speed_mps <= STOPPING_SPEED_MPS and speed <= STOPPING_SPEED_MPS:
        return Commands(-STOPPING_GAIN * (speed - reference.speed_mps), 0.0)

    span = HORIZON * STEP_S
    accel = -(span * SPEED_WEIGHT) / (span * span * SPEED_WEIGHT + ACCEL_WEIGHT) * (speed - reference.speed_mps)

    # Free response of (lateral, heading, steering) and response to a constant unit steering rate.
    dx, dy = state[X] - reference.x, state[Y] - reference.y
    lateral = -dx * math.sin(reference.heading) + dy * math.cos(reference.heading)
    heading = wrap(state[HEADING] - reference.heading)
    by_lateral, by_heading, by_steering = 0.0, 0.0, 0.0
    for k in range(HORIZON):
        distance = (speed + k * STEP_S * accel) * STEP_S
        lateral += distance * heading
        heading += distance * (steering / wheelbase_m - curvatures[k])
        by_lateral += distance * by_heading
        by_heading += distance / wheelbase_m * by_steering
        by_steering += STEP_S
    heading = wrap(heading)
    gain = by_lateral * by_lateral * LATERAL_WEIGHT + by_heading * by_heading * HEADING_WEIGHT + STEERING_RATE_WEIGHT
    return Commands(accel, -(by_lateral * LATERAL_WEIGHT * lateral + by_heading * HEADING_WEIGHT * heading) / gain)


@njit(cache=True)
def sample_plan(
    time_us: Int64[np.ndarray, "poses"], poses: Float64[np.ndarray, "poses 3"], num_samples: int
) -> Float64[np.ndarray, "samples 3"]:
    """Poses of a plan every `STEP_US` from its start, headings wrapped.

    Args:
        time_us: Strictly increasing, from 0.
        poses: Of the plan.
        num_samples: At most as many as lie within the plan.
    """
    headings = unwrapped(poses[:, 2])
    samples = np.empty((num_samples, 3))
    k = 1
    for i in range(num_samples):
        time = i * STEP_US
        while k < len(time_us) - 1 and time_us[k] < time:
            k += 1
        span = time_us[k] - time_us[k - 1]
        after = time - time_us[k - 1]
        for column in range(2):
            slope = (poses[k, column] - poses[k - 1, column]) / span
            samples[i, column] = slope * after + poses[k - 1, column]
        samples[i, 2] = wrap((headings[k] - headings[k - 1]) / span * after + headings[k - 1])
    return samples


@njit(cache=True)
def _at_time(time_s: float, start_us: int, num: int, values: np.ndarray) -> float:
    """Interpolate values given every `STEP_US` from `start_us` on, held at both ends.

    quirk: float_seconds (times are seconds since 1970 as float64, 2.4e-7 s apart, so that grid points are missed)
    """
    low = min(max(int((time_s - start_us / 1e6) / STEP_S), 0), num - 1)
    while low > 0 and time_s < (start_us + low * STEP_US) / 1e6:
        low -= 1
    while low < num - 1 and time_s >= (start_us + (low + 1) * STEP_US) / 1e6:
        low += 1
    start_s = (start_us + low * STEP_US) / 1e6
    if low == num - 1 or time_s <= start_s:
        return values[low]
    end_s = (start_us + (low + 1) * STEP_US) / 1e6
    return (values[low + 1] - values[low]) / (end_s - start_s) * (time_s - start_s) + values[low]


@njit(cache=True)
def track_plan(
    now_us: int,
    time_us: Int64[np.ndarray, "poses"],
    poses: Float64[np.ndarray, "poses 3"],
    state: Float64[np.ndarray, "10"],
    wheelbase_m: float,
) -> Commands:
    """Commands that follow a plan from a state.

    Args:
        now_us: Time of the state.
        time_us: Times of the plan from now on, starting with 0; the last at least `STEP_US`.
        poses: Of the plan.
        state: Of the ego.
        wheelbase_m: Distance between the axles.
    """
    num_samples = int(time_us[-1] // STEP_US) + 1
    samples = sample_plan(time_us, poses, num_samples)
    num = num_samples - 1
    speeds, curvature = np.empty(num), np.empty(num)
    fit_profiles(samples, speeds, curvature)
    now_s = now_us * 1e-6
    curvatures = np.empty(HORIZON)
    for k in range(HORIZON):
        curvatures[k] = _at_time(now_s + k * STEP_S, now_us, num, curvature)
    reference_speed = _at_time(now_s + HORIZON * STEP_S, now_us, num, speeds)
    reference = Reference(samples[0, 0], samples[0, 1], samples[0, 2], reference_speed, curvatures)
    return lqr_commands(state, reference, wheelbase_m)


@njit(cache=True)
def step_along_plan(
    frames_us: tuple[int, int],
    time_us: Int64[np.ndarray, "poses"],
    poses: Float64[np.ndarray, "poses 3"],
    state: Float64[np.ndarray, "10"],
    wheelbase_m: float,
) -> Float64[np.ndarray, "10"]:
    """The state at the next frame under the commands of `track_plan`.

    Args:
        frames_us: Times of this frame and the next.
        time_us: Times of the plan from now on, starting with 0; the last at least `STEP_US`.
        poses: Of the plan.
        state: Of the ego.
        wheelbase_m: Distance between the axles.
    """
    commands = track_plan(frames_us[0], time_us, poses, state, wheelbase_m)
    following = np.empty(STATE_SIZE)
    step_bicycle(state, commands, (frames_us[1] - frames_us[0]) / 1e6, wheelbase_m, following)
    return following


@njit(cache=True)
def _track_proposals(state: np.ndarray, proposals: np.ndarray, wheelbase_m: float, driven: np.ndarray) -> None:
    num_proposals, num_poses = proposals.shape[:2]
    num = num_poses - 1
    speeds, curvature = np.empty(num), np.empty(num)
    ahead = np.empty(HORIZON)
    for p in range(num_proposals):
        fit_profiles(proposals[p], speeds, curvature, True)
        driven[p, 0] = state
        for i in range(num):
            pose = proposals[p, i]
            for k in range(HORIZON):
                ahead[k] = curvature[min(i + k, num - 1)]
            reference = Reference(pose[X], pose[Y], pose[HEADING], speeds[min(i + HORIZON, num - 1)], ahead)
            commands = lqr_commands(driven[p, i], reference, wheelbase_m)
            step_bicycle(driven[p, i], commands, STEP_S, wheelbase_m, driven[p, i + 1])


def track_proposals(
    state: Float64[np.ndarray, "10"],
    proposals: Float64[np.ndarray, "proposals poses 3"],
    vehicle: VehicleParameters = PACIFICA,
) -> Float64[np.ndarray, "proposals poses 10"]:
    """Simulate proposals from one state with tracker and bicycle model; profiles are fitted once per proposal.

    Args:
        state: Ego state now, in the columns of `simulation.ego.dynamics`.
        proposals: Rear-axle poses every 0.1 s, the first for now.
        vehicle: Parameters of the ego.

    Returns:
        Driven states, the first of each proposal is `state`.

    Raises:
        ValueError: With fewer than 2 poses in a proposal.

    Source:
        tuPlan garage, `PDMSimulator`. Unlike for a single plan, references are taken by index, not by time.
    """
    if proposals.ndim != 3 or proposals.shape[1] < 2 or proposals.shape[2] != 3:
        raise ValueError(f"Proposals need the shape (P, K + 1, 3) with K >= 1, got {proposals.shape}.")
    driven = np.empty((*proposals.shape[:2], STATE_SIZE))
    _track_proposals(state, np.ascontiguousarray(proposals), vehicle.wheelbase_m, driven)
    return driven


def plan_time_us(plan: Trajectory) -> Int64[np.ndarray, "poses"]:
    """Times of a plan from its start in whole microseconds, as nuPlan stores them."""
    return np.rint((plan.time_s - plan.time_s[0]) * 1e6).astype(np.int64)
