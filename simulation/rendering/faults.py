"""Faults of cameras during a drive: no image, black, frozen, late or NaN pixels.

    CAM_F0:black            for the whole drive
    CAM_F0:frozen:3-6       from second 3 to 6 of the drive
    CAM_F0:late=0.5         each image is half a second old when it arrives; so is its time stamp

A shifted calibration is no fault of this kind: see `CameraSettings.calibration`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from driving.names import unknown_name

FaultKind = Literal["missing", "black", "frozen", "late", "nan"]
FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)

_FAULT = re.compile(r"(?P<camera>[^:]+):(?P<kind>\w+)(=(?P<delay>[\d.]+))?(:(?P<start>[\d.]+)-(?P<end>[\d.]+)?)?")


@dataclass(frozen=True, kw_only=True)
class CameraFault:
    """One fault of one camera. Times are seconds since the start of the drive."""

    camera: str
    kind: FaultKind
    start_s: float = 0.0
    end_s: float = np.inf
    delay_s: float = 0.0
    """Age of late images."""

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(unknown_name("camera fault named", self.kind, FAULT_KINDS))
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"Fault of {self.camera} must start before it ends, got {self.start_s} to {self.end_s} s."
            )
        if (self.kind == "late") != (self.delay_s > 0):
            raise ValueError(
                f"Fault {self.kind} of {self.camera} has a delay of {self.delay_s} s: a late camera needs a positive"
                " one, as in 'CAM_F0:late=0.5', and other faults have none."
            )

    def is_active(self, time_s: float) -> bool:
        """Whether the camera has the fault at a time."""
        return self.start_s <= time_s < self.end_s

    def __str__(self) -> str:
        delay = f"={self.delay_s:g}" if self.delay_s else ""
        end = f"{self.end_s:g}" if np.isfinite(self.end_s) else ""
        span = f":{self.start_s:g}-{end}" if self.start_s or end else ""
        return f"{self.camera}:{self.kind}{delay}{span}"


def parse_fault(text: str) -> CameraFault:
    """A fault from its text, as in the head of this module.

    Raises:
        ValueError: When the text or a value is wrong.
    """
    found = _FAULT.fullmatch(text)
    try:
        if found is None:
            raise ValueError("The form is CAMERA:KIND[=DELAY][:START-END]")
        return CameraFault(
            camera=found["camera"],
            kind=found["kind"],  # type: ignore[arg-type]
            start_s=float(found["start"] or 0),
            end_s=float(found["end"] or np.inf),
            delay_s=float(found["delay"] or 0),
        )
    except ValueError as error:
        raise ValueError(
            f"Camera fault {text!r} cannot be used. {str(error).rstrip('.')}. Examples: 'CAM_F0:black',"
            " 'CAM_F0:frozen:3-6', 'CAM_F0:late=0.5'."
        ) from error


def require_known_cameras(faults: Sequence[CameraFault], names: Sequence[str]) -> None:
    """Check that each fault names a camera of the rig.

    Raises:
        ValueError: When one does not.
    """
    for fault in faults:
        if fault.camera not in names:
            raise ValueError(f"Camera fault '{fault}': {unknown_name('camera named', fault.camera, names)}")
