"""The formats that can be imported, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driving.importers import argoverse2, commonroad, track_archive
from driving.names import unknown_name
from driving.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Importer:
    """How to find and read the recordings of a format."""

    find: Callable[[Path], list[Path]]
    """Recordings below a path; raises FileNotFoundError when there is none."""
    read: Callable[[Path], Recording]
    """Reads one recording; raises FileNotFoundError or ValueError with a sentence."""
    title: str


IMPORTERS = {
    "argoverse2": Importer(
        find=argoverse2.find_logs, read=argoverse2.import_recording, title="Argoverse 2 sensor logs"
    ),
    "track_archive": Importer(
        find=track_archive.find_scenes, read=track_archive.import_recording, title="track archives, own data"
    ),
    "commonroad": Importer(
        find=commonroad.find_scenarios, read=commonroad.import_recording, title="CommonRoad XML 2017a, 2018b, 2020a"
    ),
}


def importer_of(name: str) -> Importer:
    """The importer of a format.

    Raises:
        KeyError: For an unknown format, with the nearest known one.
    """
    if name not in IMPORTERS:
        raise KeyError(unknown_name("importer for", name, IMPORTERS))
    return IMPORTERS[name]
