"""Simulation logs: one file per rollout, sufficient to score and replay it without simulation.

A file holds a short JSON header, readable without decompression, and one zstd frame with all arrays. No part of it
can carry code.
"""

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from jaxtyping import Float64

from driving.agents import AgentTracks, TrafficLights
from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoMotion
from driving.perceived import LOG_RESOLUTION, Perceived, arrays_of_perceived, perceived_from
from driving.trajectory import Trajectory
from simulation.files import write_atomically

FORMAT_VERSION = 1
SUFFIX = ".simlog"
_MAGIC = b"camberSL"
_HEAD = struct.Struct("<8sI")
_COMPRESSION_LEVEL = 3
_EGO = (
    "time_us",
    "rear_axle_poses",
    "velocities_mps",
    "accelerations_mps2",
    "steering_rad",
    "yaw_rate_radps",
    "yaw_acceleration_radps2",
)
_AGENTS = ("kinds", "poses", "velocities_mps", "sizes", "valid", "order", "heights_m", "z_m")
_LIGHTS = ("offsets", "lane_connector_ids", "statuses")
_TEXTS = ("scenario_id", "scenario_type", "log_name", "map_name", "planner_name", "traffic")


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulationLog:
    """One finished rollout of T steps (150 for 15 s); step i happened at frame i of the scenario."""

    scenario_id: str
    scenario_type: str
    log_name: str
    map_name: str
    planner_name: str
    traffic: str
    """A name of `simulation.rollout.TRAFFIC`."""
    seed: int
    ego: EgoMotion
    """The driven ego, M = 1, over T steps."""
    agents: AgentTracks
    """Agents that the planner observed at each of the T steps."""
    traffic_lights: TrafficLights
    """Over T steps."""
    plans: tuple[Trajectory, ...]
    """The plan of each step, T of them; their lengths may differ."""
    planning_time_s: Float64[np.ndarray, "time"]
    """Planning time of each step."""
    candidates: tuple[Candidates | None, ...] = ()
    """Candidates of the planner at each step, at `LOGGED_TIME_S`; empty for planners that report none."""
    perceived: tuple[Perceived | None, ...] = ()
    """What the planner perceived at each step; empty for planners that report nothing."""
    stage_time_s: dict[str, float] = field(default_factory=dict)
    """Total seconds of each stage of the rollout, for example `planning`, `control`, `traffic`."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Notes of the caller, for example the commit."""
    cameras: dict[str, Any] | None = None
    """Rig, appearance and seed of rendered cameras (`CameraSettings.to_json`), from which images are drawn again."""

    def __post_init__(self) -> None:
        counts = {
            "ego": self.ego.num_steps,
            "agents": self.agents.num_steps,
            "lights": self.traffic_lights.num_steps,
            "plans": len(self.plans),
            "planning times": len(self.planning_time_s),
        }
        if self.candidates:
            counts["candidates"] = len(self.candidates)
        if self.perceived:
            counts["perceived"] = len(self.perceived)
        if len(set(counts.values())) != 1 or self.ego.num_motions != 1:
            raise ValueError(
                f"The log of scenario {self.scenario_id} needs one motion and as many steps of each part,"
                f" got {self.ego.num_motions} motions and {counts}."
            )

    @property
    def num_steps(self) -> int:
        """T."""
        return self.ego.num_steps

    def save(self, path: Path) -> None:
        """Write the log atomically.

        Raises:
            OSError: When the folder is missing or not writable.
        """
        write_atomically(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Content of the file."""
        table, chunks = [], []
        for name, array in _arrays_of(self).items():
            chunks.append(_packed(array))
            table.append({"name": name, "dtype": array.dtype.str, "shape": list(array.shape)})
        body = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True).compress(b"".join(chunks))
        header = {
            "format_version": FORMAT_VERSION,
            **{name: getattr(self, name) for name in _TEXTS},
            "seed": self.seed,
            "num_steps": self.num_steps,
            "track_ids": list(self.agents.track_ids),
            "stage_time_s": self.stage_time_s,
            "metadata": self.metadata,
            "cameras": self.cameras,
            "arrays": table,
            "body_bytes": len(body),
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        return _HEAD.pack(_MAGIC, len(text)) + text + body

    @classmethod
    def load(cls, path: Path) -> "SimulationLog":
        """Read a log.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the file is no log, is damaged, or has a newer format.
        """
        return cls.from_bytes(path.read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "The log") -> "SimulationLog":
        """A log from the content of its file.

        Args:
            content: Of the file.
            name: Of the file, for error messages.

        Raises:
            ValueError: When the content is no log, is damaged, or has a newer format.
        """
        header, start = _read_header(content, name)
        arrays = _read_arrays(header, content[start:], name)
        try:
            return _log_from(header, arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _damaged(name, f"its parts do not fit together: {error}") from error


def read_header(path: Path) -> dict[str, Any]:
    """The header of a log: names, seed, number of steps, stage times. Fast, for listings.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is no log, is truncated, or has a newer format.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        length = _HEAD.unpack(head)[1] if len(head) == _HEAD.size else 0
        header, start = _read_header(head + file.read(length), str(path))
        _require_whole(header, os.fstat(file.fileno()).st_size - start, str(path))
        return header


def _damaged(path: str, reason: str) -> ValueError:
    return ValueError(f"{path} is damaged: {reason}. Delete it and run its scenario again.")


def _read_header(content: bytes, path: str) -> tuple[dict[str, Any], int]:
    if len(content) < _HEAD.size or content[: len(_MAGIC)] != _MAGIC:
        raise ValueError(f"{path} is no simulation log: a log starts with {_MAGIC.decode()!r}.")
    start = _HEAD.size + _HEAD.unpack_from(content)[1]
    if start > len(content):
        raise _damaged(path, "it ends inside the header")
    try:
        header = json.loads(content[_HEAD.size : start])
    except ValueError as error:
        raise _damaged(path, f"the header is no JSON ({error})") from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if not isinstance(version, int):
        raise _damaged(path, "the header names no format version")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this program reads up to {FORMAT_VERSION}: update the program."
        )
    return header, start


def _require_whole(header: dict[str, Any], body_bytes: int, path: str) -> None:
    if body_bytes != header.get("body_bytes"):
        raise _damaged(path, f"it holds {body_bytes} bytes of arrays, the header names {header.get('body_bytes')}")


def _read_arrays(header: dict[str, Any], body: bytes, path: str) -> dict[str, np.ndarray]:
    _require_whole(header, len(body), path)
    try:
        raw = zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        raise _damaged(path, f"the arrays do not unpack ({error})") from error
    arrays, position = {}, 0
    try:
        for entry in header["arrays"]:
            dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
            if dtype.hasobject:
                raise _damaged(path, f"array {entry['name']} holds objects")
            size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
            arrays[entry["name"]] = _unpacked(raw[position : position + size], dtype, shape)
            position += size
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"the table of arrays is wrong ({error})") from error
    return arrays


def _arrays_of(log: SimulationLog) -> dict[str, np.ndarray]:
    arrays = {f"ego.{name}": getattr(log.ego, name) for name in _EGO}
    arrays |= {f"agents.{name}": getattr(log.agents, name) for name in _AGENTS}
    arrays |= {f"traffic_lights.{name}": getattr(log.traffic_lights, name) for name in _LIGHTS}
    arrays["plans.counts"] = np.array([len(plan.time_s) for plan in log.plans], dtype=np.int64)
    arrays["plans.time_s"] = np.concatenate([np.zeros(0), *(plan.time_s for plan in log.plans)])
    arrays["plans.poses"] = np.concatenate([np.zeros((0, 3)), *(plan.poses for plan in log.plans)])
    arrays["planning_time_s"] = log.planning_time_s
    return arrays | _candidate_arrays(log) | arrays_of_perceived(log.perceived, log.ego)


def _candidate_arrays(log: SimulationLog) -> dict[str, np.ndarray]:
    """Candidates as float32 relative to the ego; older programs ignore these arrays."""
    if not log.candidates:
        return {}
    reported = [one for one in log.candidates if one is not None]
    counts = np.array([0 if one is None else len(one.scores) for one in log.candidates], dtype=np.int64)
    poses = np.concatenate([np.zeros((0, len(LOGGED_TIME_S), 3)), *(one.poses for one in reported)])
    poses[..., :2] -= np.repeat(log.ego.rear_axle_poses[0, :, :2], counts, axis=0)[:, np.newaxis]
    return {
        "candidates.counts": counts,
        "candidates.chosen": np.array(
            [-1 if one is None or one.chosen is None else one.chosen for one in log.candidates], dtype=np.int64
        ),
        # Multiples of the resolution are exact in float32 and compress better.
        "candidates.poses": (np.rint(poses / LOG_RESOLUTION) * LOG_RESOLUTION).astype(np.float32),
        "candidates.scores": np.concatenate([np.zeros(0), *(one.scores for one in reported)]).astype(np.float32),
    }


def _candidates_from(arrays: dict[str, np.ndarray], ego: EgoMotion) -> tuple[Candidates | None, ...]:
    if "candidates.counts" not in arrays:
        return ()
    counts = arrays["candidates.counts"]
    poses = arrays["candidates.poses"].astype(np.float64)
    poses[..., :2] += np.repeat(ego.rear_axle_poses[0, :, :2], counts, axis=0)[:, np.newaxis]
    scores = arrays["candidates.scores"].astype(np.float64)
    return tuple(
        Candidates(
            time_s=LOGGED_TIME_S,
            poses=poses[stop - count : stop],
            scores=scores[stop - count : stop],
            chosen=None if chosen < 0 else int(chosen),
        )
        if count
        else None
        for count, stop, chosen in zip(counts, np.cumsum(counts), arrays["candidates.chosen"], strict=True)
    )


def _log_from(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> SimulationLog:
    stops = np.cumsum(arrays["plans.counts"])
    times, poses = arrays["plans.time_s"], arrays["plans.poses"]
    ego = EgoMotion(**{name: arrays[f"ego.{name}"] for name in _EGO})
    return SimulationLog(
        **{name: header[name] for name in _TEXTS},
        seed=header["seed"],
        ego=ego,
        agents=AgentTracks(
            track_ids=tuple(header["track_ids"]), **{name: arrays[f"agents.{name}"] for name in _AGENTS}
        ),
        traffic_lights=TrafficLights(**{name: arrays[f"traffic_lights.{name}"] for name in _LIGHTS}),
        plans=tuple(
            Trajectory(time_s=times[stop - count : stop], poses=poses[stop - count : stop])
            for count, stop in zip(arrays["plans.counts"], stops, strict=True)
        ),
        planning_time_s=arrays["planning_time_s"],
        candidates=_candidates_from(arrays, ego),
        perceived=perceived_from(arrays, ego),
        stage_time_s=header["stage_time_s"],
        metadata=header["metadata"],
        cameras=header.get("cameras"),
    )


def _time_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Order of axes for the file, components first, so that consecutive values are consecutive in time."""
    if len(shape) >= 2 and shape[-1] <= 3:
        return (len(shape) - 1, *range(len(shape) - 1))
    return tuple(range(len(shape)))


def _packed(array: np.ndarray) -> bytes:
    """Bytes of an array; 8-byte numbers and float32 as XOR with the value before, in separate byte planes.

    Lossless. Smooth float64 series compress by half under zstd this way, and not at all without it.
    """
    flat = np.ascontiguousarray(array.transpose(_time_last(array.shape))).reshape(-1)
    word = _word(array.dtype)
    if word is None or not len(flat):
        return flat.tobytes()
    bits = flat.view(word).copy()
    bits[1:] ^= flat.view(word)[:-1]
    return bits.view(np.uint8).reshape(-1, array.dtype.itemsize).T.tobytes()


def _word(dtype: np.dtype) -> type[np.unsignedinteger] | None:
    """Unsigned integer type of the width of a number; None for arrays that are stored unchanged."""
    if dtype.itemsize == 8:
        return np.uint64
    return np.uint32 if dtype == np.float32 else None


def _unpacked(raw: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    axes = _time_last(shape)
    moved = tuple(shape[axis] for axis in axes)
    word = _word(dtype)
    if word is None or 0 in shape:
        flat = np.frombuffer(raw, dtype=dtype).copy()
    else:
        planes = np.frombuffer(raw, dtype=np.uint8).reshape(dtype.itemsize, -1)
        bits = np.ascontiguousarray(planes.T).view(word).reshape(-1)
        flat = np.bitwise_xor.accumulate(bits).view(dtype)
    return np.ascontiguousarray(flat.reshape(moved).transpose(np.argsort(axes)))
