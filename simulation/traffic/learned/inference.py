"""The trained network in compiled code: no torch, and the same bits in every process, whatever runs beside it.

Each agent is computed alone, in a fixed order of additions, so that a batch equals its members.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from simulation.geometry.compiling import njit
from simulation.traffic.learned.features import Features


class Layer(NamedTuple):
    """A linear layer."""

    weight: Float32[np.ndarray, "inputs outputs"]
    bias: Float32[np.ndarray, "outputs"]


class Weights(NamedTuple):
    """The layers of `network.TrafficNetwork`, in its names."""

    own_1: Layer
    own_2: Layer
    near_1: Layer
    near_2: Layer
    query: Layer
    trunk_1: Layer
    trunk_2: Layer
    acceleration: Layer
    token: Layer


@njit(cache=True)
def _linear(x: np.ndarray, layer: Layer, out: np.ndarray) -> None:
    out[:] = layer.bias
    for i in range(len(x)):
        value = x[i]
        if value != 0.0:
            row = layer.weight[i]
            for j in range(len(out)):
                out[j] += value * row[j]


@njit(cache=True)
def _rectify(x: np.ndarray) -> None:
    for j in range(len(x)):
        x[j] = max(x[j], np.float32(0.0))


@njit(cache=True)
def infer(
    weights: Weights, features: Features, is_free: Bool[np.ndarray, "agents"]
) -> tuple[Float32[np.ndarray, "agents accelerations"], Float32[np.ndarray, "agents tokens"]]:
    """Logits of accelerations for agents with a path, of tokens for those without; the others are 0."""
    num_agents = len(features.own)
    accelerations = np.zeros((num_agents, len(weights.acceleration.bias)), dtype=np.float32)
    tokens = np.zeros((num_agents, len(weights.token.bias)), dtype=np.float32)
    width, inner = len(weights.own_2.bias), len(weights.near_2.bias)
    first, near_first = np.empty(len(weights.own_1.bias), np.float32), np.empty(len(weights.near_1.bias), np.float32)
    joined = np.empty(width + 2 * inner, dtype=np.float32)
    query = np.empty(inner, dtype=np.float32)
    near = np.empty((features.near.shape[1], inner), dtype=np.float32)
    hidden, refined = np.empty(len(weights.trunk_1.bias), np.float32), np.empty(len(weights.trunk_2.bias), np.float32)
    for a in range(num_agents):
        _linear(features.own[a], weights.own_1, first)
        _rectify(first)
        _linear(first, weights.own_2, joined[:width])
        _rectify(joined[:width])
        _linear(joined[:width], weights.query, query)
        for k in range(features.counts[a]):
            _linear(features.near[a, k], weights.near_1, near_first)
            _rectify(near_first)
            _linear(near_first, weights.near_2, near[k])
            _rectify(near[k])
        _attend(query, near[: features.counts[a]], joined[width : width + inner], joined[width + inner :])
        _linear(joined, weights.trunk_1, hidden)
        _rectify(hidden)
        _linear(hidden, weights.trunk_2, refined)
        for j in range(len(refined)):
            refined[j] = hidden[j] + max(refined[j], np.float32(0.0))
        if is_free[a]:
            _linear(refined, weights.token, tokens[a])
        else:
            _linear(refined, weights.acceleration, accelerations[a])
    return accelerations, tokens


@njit(cache=True)
def _attend(query: np.ndarray, near: np.ndarray, mean: np.ndarray, most: np.ndarray) -> None:
    """Weighted mean of the neighbours, and their maximum; zeros without any."""
    mean[:], most[:] = 0.0, 0.0
    count = len(near)
    if count == 0:
        return
    scores = np.empty(count, dtype=np.float32)
    highest = np.float32(-np.inf)
    for k in range(count):
        total = np.float32(0.0)
        for j in range(len(query)):
            total += query[j] * near[k, j]
        scores[k] = total / np.float32(math.sqrt(len(query)))
        highest = max(highest, scores[k])
    total = np.float32(0.0)
    for k in range(count):
        scores[k] = math.exp(scores[k] - highest)
        total += scores[k]
    for k in range(count):
        share = scores[k] / total
        for j in range(len(query)):
            mean[j] += share * near[k, j]
            most[j] = max(most[j], near[k, j])
