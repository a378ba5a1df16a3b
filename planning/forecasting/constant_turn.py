"""The forecast that keeps curvature and acceleration for a while, and goes straight at constant speed afterwards."""

import numpy as np
from jaxtyping import Float

from planning.forecasting.constant_velocity import INSTANTS_S

HELD_S = 1.5
"""How long curvature and acceleration are kept."""
KEPT_ACCELERATION = 0.7
"""Share of the present acceleration that is kept: less than all of it, as accelerations of tracks are noisy."""
MIN_ACCELERATION_MPS2, MAX_ACCELERATION_MPS2 = -5.0, 3.0
MAX_CURVATURE_PER_M = 0.2
"""That of a car at full steering."""
_LEAST = 1e-4


def constant_turn(
    now_m: Float[np.ndarray, "*agents 2"],
    velocities_mps: Float[np.ndarray, "*agents 2"],
    accelerations_mps2: Float[np.ndarray, "*agents"],
    yaw_rates_radps: Float[np.ndarray, "*agents"],
    times_s: Float[np.ndarray, "times"] = INSTANTS_S,
) -> Float[np.ndarray, "*agents times 2"]:
    """Positions [m] of agents that keep curvature and a share of their acceleration for 1.5 s, at times from now.

    An agent that brakes stops and does not reverse. Without acceleration and yaw rate, this is constant velocity.

    Args:
        now_m: Box centres now, in any frame.
        velocities_mps: In the same frame.
        accelerations_mps2: Along the velocities; those of no car are cut.
        yaw_rates_radps: Positive to the left.
        times_s: From now on [s].
    """
    speeds = np.hypot(velocities_mps[..., 0], velocities_mps[..., 1])[..., np.newaxis]
    kept = np.clip(KEPT_ACCELERATION * accelerations_mps2, MIN_ACCELERATION_MPS2, MAX_ACCELERATION_MPS2)
    kept = kept[..., np.newaxis]
    curvatures = yaw_rates_radps[..., np.newaxis] / np.maximum(speeds, _LEAST)
    curvatures = np.clip(curvatures, -MAX_CURVATURE_PER_M, MAX_CURVATURE_PER_M)
    # An agent that brakes moves until it stands.
    stops_s = np.where(kept < 0.0, speeds / np.maximum(-kept, _LEAST), np.inf)
    held_s = np.minimum(np.minimum(times_s, HELD_S), stops_s)
    curved_m = speeds * held_s + 0.5 * kept * held_s**2
    straight_m = np.maximum(speeds + kept * HELD_S, 0.0) * np.maximum(times_s - HELD_S, 0.0)
    turned = curvatures * curved_m
    # Chord of an arc: its length times the sinc of half the angle, in the direction of half the angle.
    chords_m = curved_m * np.sinc(0.5 * turned / np.pi)
    directions = np.arctan2(velocities_mps[..., 1], velocities_mps[..., 0])[..., np.newaxis]
    x = chords_m * np.cos(directions + 0.5 * turned) + straight_m * np.cos(directions + turned)
    y = chords_m * np.sin(directions + 0.5 * turned) + straight_m * np.sin(directions + turned)
    return now_m[..., np.newaxis, :] + np.stack([x, y], axis=-1)
