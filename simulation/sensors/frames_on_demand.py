"""Camera frames that cost nothing until they are read."""

from collections.abc import Callable
from typing import Any

from driving.cameras import CameraFrames, ImageSource


class FramesOnDemand(CameraFrames):
    """Rendered frames whose fields are computed when one of them is first read.

    From then on the object is a plain `CameraFrames`. Computed at each step, times, poses and captures of eight
    cameras would make a drive of the IDM planner, which reads no image, a fifth longer.
    """

    is_logged = False

    def __init__(self, make: Callable[[], CameraFrames]) -> None:
        """Compute nothing yet.

        Args:
            make: Gives the frames.
        """
        # The dataclass is frozen: its attributes cannot be assigned.
        self.__dict__["_make"] = make

    @property
    def source(self) -> ImageSource | None:  # type: ignore[override]
        """Gives the images."""
        return self._load().source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def __reduce__(self) -> Any:
        return self._load().__reduce_ex__(4)

    def _load(self) -> CameraFrames:
        fields = self.__dict__.pop("_make")().__dict__
        self.__dict__.update(fields)
        object.__setattr__(self, "__class__", CameraFrames)
        return self
