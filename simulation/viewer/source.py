"""Interface of the viewer's sources."""

from collections.abc import Sequence
from typing import Any, Protocol

from driving.map import MapGraph
from driving.scenario import Scenario
from simulation.log import SimulationLog
from simulation.viewer.notes import NotesFolders
from simulation.viewer.rows import DriveRow


class Source(Protocol):
    """A folder of drives or scenarios. Requests use the keys of its rows, never paths."""

    name: str

    @property
    def notes(self) -> NotesFolders:
        """Notes about its scenarios."""
        ...

    def rows(self) -> Sequence[DriveRow]:
        """The current rows.

        Raises:
            OSError: When the folder cannot be read.
            ValueError: When it holds no drive and no scenario.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """Notices about the folder, and the settings of its run."""
        ...

    def row(self, key: str) -> DriveRow:
        """The row of a key.

        Raises:
            LookupError: When there is none.
        """
        ...

    def log(self, key: str) -> SimulationLog | None:
        """The simulation log of a drive; None for a logged scenario without a drive."""
        ...

    def scenario(self, key: str) -> Scenario:
        """The scenario of a row.

        Raises:
            FileNotFoundError: When its log or map is missing.
            ValueError: When its log or map is damaged.
        """
        ...

    def map(self, key: str) -> MapGraph:
        """The map alone; faster than opening the scenario."""
        ...
