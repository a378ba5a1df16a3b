"""Draw the camera images of a drive at one time into one picture, with the boxes of the agents.

    python scripts/draw_cameras.py results/first --scenario 0135ffebf0659174 --planner idm --time 6 --output strip.jpg
    python scripts/draw_cameras.py demo/results/cameras --time 6 --output strip.jpg

Images are rendered again from the log of the drive; a drive without cameras gets nuPlan's rig. True boxes are solid.
Boxes that a planner on perceived input reported are dashed, red where no agent is near.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from command_line import CommonArguments, console, run
from tyro.conf import Positional

from driving.timing import STEP_S
from simulation.files import write_atomically
from simulation.viewer.rendered_cameras import RenderedStrip
from simulation.viewer.sources import open_sources
from simulation.viewer.strip_picture import strip_picture


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """A drive, a time, and the picture."""

    results: Positional[Path]
    """Results folder of scripts/benchmark.py."""
    output: Path
    """Picture, .jpg or .png."""
    time: float = 0.0
    """Seconds since the start of the drive."""
    scenario: str | None = None
    """Token of the scenario; default the first drive."""
    planner: str | None = None
    """Planner of the drive; default the first of the scenario."""
    width: int = 1440
    """Width of the picture [px]."""
    data: Path | None = None
    """Data root, if it was moved after the run."""
    maps: Path | None = None
    """Maps folder, if it is not part of the data root."""


def main(arguments: Arguments) -> None:
    """Find the drive and draw."""
    formats = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
    if arguments.output.suffix.lower() not in formats:
        raise ValueError(f"The name of a picture ends in .jpg or .png, got {arguments.output.name!r}.")
    (source,) = open_sources([arguments.results], arguments.data, arguments.maps)
    rows = [
        row
        for row in source.rows()
        if row.has_log and arguments.scenario in (None, row.scenario) and arguments.planner in (None, row.planner)
    ]
    if not rows:
        raise ValueError(f"No drive of that scenario and planner has a log in {arguments.results}.")
    strip = RenderedStrip(source.scenario(rows[0].key), source.log(rows[0].key))
    picture = strip_picture(strip, round(arguments.time / STEP_S), arguments.width)
    content = io.BytesIO()
    picture.save(content, formats[arguments.output.suffix.lower()], quality=88, optimize=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(arguments.output, content.getvalue())
    console.print(f"{arguments.output} ({len(content.getvalue()) / 1e3:.0f} kB)", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
