"""A name for exactly this data: two reports with the same one were made from the same scenarios."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from driving.nuplan.entries import ScenarioEntry


def data_version(entries: Iterable[ScenarioEntry]) -> str:
    """Digest over the scenarios' names and the sizes of their log files.

    The files' contents are not read: a full nuPlan is terabytes. Place and time of the files do not count.
    """
    sizes: dict[str, int] = {}
    digest = hashlib.blake2b(digest_size=8)
    for entry in entries:
        if entry.log_name not in sizes:
            sizes[entry.log_name] = Path(entry.log_file).stat().st_size
        line = f"{entry.token} {entry.scenario_type} {entry.log_name} {entry.map_name} {sizes[entry.log_name]}\n"
        digest.update(line.encode())
    return digest.hexdigest()
