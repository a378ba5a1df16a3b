"""Format of the binary messages: a JSON header and int32 arrays, small under gzip and fast to unpack.

    "CBR1"  uint32 length of the header  header (JSON)  arrays, each padded to 4 bytes

Real numbers are int32 multiples of a scale, stored as differences along the last axis. Differences wrap around, so
NaN is an ordinary value (`NAN_MARK`).
"""

import json
import struct
from typing import Any

import numpy as np
from jaxtyping import Float, Int32, Integer, Shaped

MAGIC = b"CBR1"
NAN_MARK = np.iinfo(np.int32).min
MILLIMETRE = 0.001
CENTIMETRE = 0.01
MILLIRADIAN = 0.001


class Message:
    """A message under construction: a header and arrays."""

    def __init__(self, **header: Any) -> None:
        self.header = header
        self._table: list[dict[str, Any]] = []
        self._chunks: list[bytes] = []
        self._size = 0

    def add_reals(self, name: str, values: Float[np.ndarray, "..."], scale: float) -> None:
        """Add real numbers, rounded to multiples of `scale`; NaN and infinities become NaN.

        Raises:
            ValueError: When a value is too large for its scale.
        """
        is_number = np.isfinite(values)
        rounded = np.rint(np.where(is_number, values, 0.0) / scale)
        if rounded.size and np.abs(rounded).max() >= 2**31 - 1:
            raise ValueError(f"{name} holds {np.abs(values[is_number]).max():g}, too large for steps of {scale}.")
        whole = np.where(is_number, rounded, NAN_MARK).astype(np.int32)
        differences = whole.copy()
        with np.errstate(over="ignore"):
            differences[..., 1:] -= whole[..., :-1]
        self._append(name, differences, scale)

    def add_integers(self, name: str, values: Integer[np.ndarray, "..."]) -> None:
        """Add integers.

        Raises:
            ValueError: When a value needs more than 32 bits.
        """
        if values.size and np.abs(values).max() >= 2**31:
            raise ValueError(f"{name} holds {int(np.abs(values).max())}, which needs more than 32 bits.")
        self._append(name, values.astype(np.int32), None)

    def to_bytes(self) -> bytes:
        """The encoded message."""
        text = json.dumps({**self.header, "arrays": self._table}, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        return b"".join([MAGIC, struct.pack("<I", len(text)), text, *self._chunks])

    def _append(self, name: str, values: Int32[np.ndarray, "..."], scale: float | None) -> None:
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "offset": self._size}
        if scale is not None:
            entry["scale"] = scale
        raw = np.ascontiguousarray(values, dtype="<i4").tobytes()
        self._table.append(entry)
        self._chunks.append(raw)
        self._size += len(raw)


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, Shaped[np.ndarray, "..."]]]:
    """Header and arrays of a message, as the page reads them; used by tests.

    Raises:
        ValueError: When the content is not a message.
    """
    if content[:4] != MAGIC:
        raise ValueError(f"A message starts with {MAGIC.decode()}, got {content[:4]!r}.")
    start = 8 + struct.unpack_from("<I", content, 4)[0]
    header = json.loads(content[8:start])
    arrays = {}
    for entry in header.pop("arrays"):
        count = int(np.prod(entry["shape"], dtype=np.int64))
        whole = np.frombuffer(content, "<i4", count, start + entry["offset"]).reshape(entry["shape"])
        if "scale" in entry:
            whole = np.cumsum(whole, axis=-1, dtype=np.int32)
            arrays[entry["name"]] = np.where(whole == NAN_MARK, np.nan, whole * entry["scale"])
        else:
            arrays[entry["name"]] = whole
    return header, arrays
