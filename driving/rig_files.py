"""Rigs as JSON files, with OpenCV's intrinsics and distortion.

    {"cameras": [{
        "name": "front",
        "size": [1920, 1080],                              width and height [px]
        "K": [[1545, 0, 960], [0, 1545, 560], [0, 0, 1]],  pinhole matrix [px], pixel centres at integers
        "D": [-0.356, 0.173, -0.002, 0.0, -0.052],         k1, k2, p1, p2 and k3 (0 if left out); zeros if rectified
        "rotation": [[0, 0, 1], [-1, 0, 0], [0, -1, 0]],   camera axes to ego axes
        "translation": [1.67, 0.0, 1.5]                    optical centre in the ego frame [m]
    }]}

`rotation` and `translation` are the pose of the camera in the ego frame: origin at the centre of the rear axle,
x forward, y left, z up; camera axes x right, y down, z forward. OpenCV's R and t are the inverse: a point p of the
ego frame is at R p + t in the camera frame. With R' the transpose of R, `rotation` is R' and `translation` is -R' t.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from driving.cameras import CameraRig
from driving.names import unknown_name
from driving.rigs import RIGS

KEYS = ("name", "size", "K", "D", "rotation", "translation")

MAX_ROTATION_ERROR = 1e-3
"""Largest entry of R R' - 1; rotations rounded to 4 digits pass."""

MAX_SIZE_PX = 65_536

_INVERSE_KEYS = {"R", "t"}
_INVERSE_HINT = (
    " R and t of OpenCV map the ego to the camera frame; this file needs the inverse: rotation = R' and"
    " translation = -R' t."
)


def read_rig(path: Path) -> CameraRig:
    """Read a rig.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is no JSON, or a camera is incomplete or wrong; names the camera and the key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no rig file {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Rig {path} is not JSON: {error}.") from error
    return rig_from_json(content, f"Rig {path}")


def rig_named(text: str) -> CameraRig:
    """A rig of `RIGS`, or of a file.

    Args:
        text: A name, or a path that ends with `.json`.

    Raises:
        KeyError: When no rig has that name.
        FileNotFoundError: When there is no such file.
        ValueError: When the file is wrong.
    """
    if text.endswith(".json"):
        return read_rig(Path(text).expanduser())
    if text not in RIGS:
        raise KeyError(f"{unknown_name('rig named', text, RIGS)} Or name a file that ends with .json.")
    return RIGS[text]


def rig_from_json(content: Any, place: str) -> CameraRig:
    """A rig from the content of its file.

    Args:
        content: Parsed JSON.
        place: Begin of error messages, for example the file.

    Raises:
        ValueError: When a camera is incomplete or wrong; names the camera and the key.
    """
    if not (isinstance(content, dict) and isinstance(content.get("cameras"), list) and content["cameras"]):
        raise ValueError(f'{place} must be an object with a list of at least one camera: {{"cameras": [...]}}.')
    if unknown := sorted(set(content) - {"cameras"}):
        raise ValueError(f"{place} has the unknown keys {unknown}; expected only 'cameras'.")
    entries = [_CameraEntry(place, row, entry) for row, entry in enumerate(content["cameras"])]
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{place} has more than one camera of the names {twice}.")
    poses = np.tile(np.eye(4), (len(entries), 1, 1))
    poses[:, :3, :3] = [entry.rotation() for entry in entries]
    poses[:, :3, 3] = [entry.numbers("translation", (3,)) for entry in entries]
    return CameraRig(
        names=tuple(names),
        intrinsics=np.stack([entry.intrinsics() for entry in entries]),
        distortion=np.stack([entry.distortion() for entry in entries]),
        ego_from_camera=poses,
        image_sizes=np.array([entry.size() for entry in entries], dtype=np.int64),
    )


def rig_to_json(rig: CameraRig) -> dict[str, list[dict[str, Any]]]:
    """Content of a rig's file."""
    cameras = []
    for row, name in enumerate(rig.names):
        pose = rig.ego_from_camera[row]
        values = (
            name,
            rig.image_sizes[row].tolist(),
            rig.intrinsics[row].tolist(),
            rig.distortion[row].tolist(),
            pose[:3, :3].tolist(),
            pose[:3, 3].tolist(),
        )
        cameras.append(dict(zip(KEYS, values, strict=True)))
    return {"cameras": cameras}


def write_rig(rig: CameraRig, path: Path) -> None:
    """Write a rig such that `read_rig` gives the same numbers."""
    cameras = []
    for camera in rig_to_json(rig)["cameras"]:
        lines = [f'  "{key}": {json.dumps(value)}' for key, value in camera.items()]
        cameras.append("{\n" + ",\n".join(lines) + "\n}")
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text('{"cameras": [' + ", ".join(cameras) + "]}\n", encoding="utf-8")
    temporary.replace(path)


class _CameraEntry:
    """One camera of a file, whose values are checked when they are read."""

    def __init__(self, place: str, row: int, entry: object) -> None:
        if not isinstance(entry, dict):
            raise ValueError(f"{place}: camera {row} must be an object, got {json.dumps(entry)}.")
        name = entry.get("name")
        if not (isinstance(name, str) and name):
            raise ValueError(f"{place}: camera {row} must have a name, got {json.dumps(name)}.")
        self.name = name
        self._place = f"{place}: camera {self.name}"
        self._entry = entry
        unknown = sorted(set(entry) - set(KEYS))
        hint = _INVERSE_HINT if _INVERSE_KEYS & set(unknown) else ""
        if unknown:
            raise ValueError(f"{self._place} has the unknown keys {unknown}; expected {', '.join(KEYS)}.{hint}")
        missing = [key for key in KEYS if key not in entry]
        if missing:
            raise ValueError(f"{self._place} has no {', '.join(missing)}; expected {', '.join(KEYS)}.")

    def numbers(self, key: str, *shapes: tuple[int, ...]) -> Float64[np.ndarray, "..."]:
        """Finite numbers of one of some shapes."""
        expected = " or ".join(" x ".join(str(length) for length in shape) for shape in shapes)
        try:
            values = np.array(self._entry[key])
        except ValueError:
            raise ValueError(
                f"{self._place}: {key} must be {expected} numbers, got rows of unequal length."
            ) from None
        if values.dtype.kind not in "if":
            raise ValueError(f"{self._place}: {key} must be {expected} numbers, got {json.dumps(self._entry[key])}.")
        if values.shape not in shapes:
            got = " x ".join(str(length) for length in values.shape) or "a single number"
            raise ValueError(f"{self._place}: {key} must be {expected} numbers, got {got}.")
        if not np.isfinite(values).all():
            raise ValueError(f"{self._place}: {key} must be finite, got {values.tolist()}.")
        return values.astype(np.float64)

    def size(self) -> list[int]:
        values = self.numbers("size", (2,))
        if (values < 1).any() or (values > MAX_SIZE_PX).any() or (values % 1).any():
            raise ValueError(
                f"{self._place}: size must be width and height in whole pixels, 1 to {MAX_SIZE_PX}, got"
                f" {self._entry['size']}."
            )
        return [int(value) for value in values]

    def intrinsics(self) -> Float64[np.ndarray, "3 3"]:
        matrix = self.numbers("K", (3, 3))
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[1, 0] != 0 or matrix[2].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(
                f"{self._place}: K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths,"
                f" got {matrix.tolist()}."
            )
        return matrix

    def distortion(self) -> Float64[np.ndarray, "5"]:
        values = self.numbers("D", (4,), (5,))
        return np.append(values, np.zeros(5 - len(values)))

    def rotation(self) -> Float64[np.ndarray, "3 3"]:
        matrix = self.numbers("rotation", (3, 3))
        error = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
        if error > MAX_ROTATION_ERROR:
            raise ValueError(
                f"{self._place}: rotation is no rotation: its rows must be orthogonal and of length 1, but differ by"
                f" {error:.3g}; got {matrix.tolist()}."
            )
        if np.linalg.det(matrix) < 0:
            raise ValueError(
                f"{self._place}: rotation mirrors: its determinant is -1. Expected right-handed axes, x right,"
                f" y down, z forward; got {matrix.tolist()}."
            )
        return matrix
