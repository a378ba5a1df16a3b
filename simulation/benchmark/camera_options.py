"""Cameras of a benchmark run, on top of those that planners need."""

from dataclasses import dataclass, replace
from typing import Any

from driving.cameras import CameraRig
from driving.planner import Planner
from driving.rig_files import rig_from_json, rig_to_json
from simulation.rendering.faults import CameraFault, parse_fault
from simulation.rollout import camera_settings_of
from simulation.sensors.rendered import CameraSettings


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """What the user sets; the rest is that of the planner (`camera_settings`), or the default."""

    rig: CameraRig | None = None
    """None: only planners with `camera_settings` get cameras."""
    calibration: CameraRig | None = None
    """Rig that planners get instead of the true one."""
    appearance: str | None = None
    seed: int | None = None
    every_steps: int | None = None
    faults: tuple[CameraFault, ...] = ()

    def settings_for(self, planner: Planner) -> CameraSettings | None:
        """Cameras of a planner's drives; None without any.

        Raises:
            ValueError: When the options do not fit the rig.
        """
        own = camera_settings_of(planner)
        if own is None and self.rig is None:
            return None
        changes: dict[str, Any] = {} if self.rig is None else {"rig": self.rig, "calibration": None}
        for name in ("calibration", "appearance", "seed", "every_steps"):
            if getattr(self, name) is not None:
                changes[name] = getattr(self, name)
        if self.faults:
            changes["faults"] = self.faults
        return replace(own or CameraSettings(), **changes)

    def to_json(self) -> dict[str, Any] | None:
        """Content for `run.json`; None without any option."""
        parts = (self.rig, self.calibration, self.appearance, self.seed, self.every_steps)
        if not self.faults and all(part is None for part in parts):
            return None
        return {
            "rig": None if self.rig is None else rig_to_json(self.rig),
            "calibration": None if self.calibration is None else rig_to_json(self.calibration),
            "appearance": self.appearance,
            "seed": self.seed,
            "every_steps": self.every_steps,
            "faults": [str(fault) for fault in self.faults],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any] | None) -> "CameraOptions":
        """Options from `run.json`.

        Raises:
            ValueError: When a part is wrong.
            KeyError: When a part is missing.
        """
        if content is None:
            return cls()
        rigs = {
            name: None if content[name] is None else rig_from_json(content[name], f"The run's {name}")
            for name in ("rig", "calibration")
        }
        return cls(
            **rigs,
            appearance=content["appearance"],
            seed=content["seed"],
            every_steps=content["every_steps"],
            faults=tuple(parse_fault(text) for text in content["faults"]),
        )
