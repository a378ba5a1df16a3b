"""Answers to the requests of the page: JSON, binary messages, images and saved pages, with what was made kept."""

import io
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulation.viewer import cameras, messages, notes, saved_page, stills, thumbnails
from simulation.viewer.listing import as_json, cards, listing, listing_of
from simulation.viewer.recent import Recent
from simulation.viewer.rendered_cameras import RenderedStrip
from simulation.viewer.rows import DriveRow
from simulation.viewer.source import Source

logger = logging.getLogger(__name__)

KEPT_MESSAGES = 64
KEPT_THUMBNAILS = 6000
KEPT_STILLS = 500
KEPT_STRIPS = 4
"""Drives whose newest rendered images stay in memory."""
MAX_SAVED_FAILURES = 24
"""Failures in a saved gallery, which holds a replay of each."""
EXPECTED = (OSError, ValueError, LookupError)
"""Errors of bad input; the page displays their message."""


class Viewer:
    """Answers the requests of the page about its sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = {source.name: source for source in sources}
        self._messages: Recent[tuple[str, ...], bytes] = Recent(KEPT_MESSAGES)
        self._thumbnails: Recent[tuple[str, str], bytes] = Recent(KEPT_THUMBNAILS)
        self._stills: Recent[tuple[str, str], bytes] = Recent(KEPT_STILLS)
        self._strips: Recent[tuple[str, str], RenderedStrip | None] = Recent(KEPT_STRIPS)
        self._evaluating = threading.Lock()

    def source(self, name: str) -> Source:
        """A source by name.

        Raises:
            LookupError: When there is none.
        """
        if name not in self.sources:
            raise LookupError(f"The viewer has no folder {name!r}. It has: {', '.join(self.sources)}.")
        return self.sources[name]

    def listing(self) -> bytes:
        """Rows of all sources."""
        return as_json(listing(list(self.sources.values())))

    def scene(self, name: str, key: str) -> bytes:
        """Map, route and logged ego of a scenario."""
        source = self.source(name)
        row = source.row(key)
        # All drives of a scenario share one scene.
        return self._messages.get(
            ("scene", name, row.scenario, row.scenario_type), lambda: messages.scene_message(source.scenario(key))
        )

    def drive(self, name: str, key: str) -> bytes:
        """A drive; for a scenario without drives, the logged ego."""
        source = self.source(name)
        source.row(key)

        def make() -> bytes:
            driven = source.log(key)
            return messages.drive_message(driven) if driven else messages.logged_message(source.scenario(key))

        return self._messages.get(("drive", name, key), make)

    def prepare(self) -> None:
        """Read the rows and load the compiled metrics before the first request."""
        self.listing()
        from simulation.viewer import evaluation, video

        logger.debug("ready: %s, %s", evaluation.__name__, video.__name__)

    def evaluation(self, name: str, key: str) -> bytes:
        """Metrics and curves of a drive; without its scenario, curves of the motion alone and the reason."""
        # Imported late: loading the compiled metrics takes seconds, and the page opens without them.
        from simulation.viewer import evaluation

        source = self.source(name)
        source.row(key)

        def make() -> bytes:
            driven = source.log(key)
            if driven is None:
                scenario = source.scenario(key)
                ego = scenario.ego.steps(scenario.frames.start, scenario.frames.stop)
                missing = "This scenario has no drives: the curves are those of the logged ego."
                return as_json({**evaluation.evaluate_motion(ego, None), "missing": missing})
            try:
                with self._evaluating:
                    return as_json({**evaluation.evaluate(driven, source.scenario(key)), "missing": ""})
            except EXPECTED as error:
                return as_json({**evaluation.evaluate_motion(driven.ego, driven), "missing": sentence_of(error)})

        return self._messages.get(("evaluation", name, key), make)

    def thumbnail(self, name: str, key: str) -> bytes:
        """A small birds-eye PNG of a drive."""
        source = self.source(name)
        source.row(key)
        return self._thumbnails.get((name, key), lambda: thumbnails.thumbnail(source, key))

    def notes(self, name: str, key: str) -> bytes:
        """Notes about the scenario of a drive, with sampled traffic.

        Raises:
            FileNotFoundError: When there are none.
        """
        source = self.source(name)
        scenario = source.row(key).scenario
        found = source.notes.of(scenario)
        if found is None:
            raise FileNotFoundError(f"There are no readable notes about scenario {scenario}.")
        return notes.notes_message(found, *source.notes.samples(found))

    def still(self, name: str, key: str) -> bytes:
        """A JPEG of the failure of a drive from above."""
        source = self.source(name)
        scenario = source.row(key).scenario

        def make() -> bytes:
            try:
                map_graph = source.map(key)
            except (OSError, ValueError) as error:
                logger.info("still picture of %s without map: %s", key, error)
                map_graph = None
            return stills.still(*thumbnails.ego_and_agents(source, key), source.notes.of(scenario), map_graph)

        return self._stills.get((name, key), make)

    def cameras(self, name: str, key: str) -> bytes:
        """Camera images of a drive and the agents' boxes in them."""

        def make() -> bytes:
            rendered = self._rendered(name, key)
            return as_json(rendered.strip() if rendered else cameras.camera_strip(self.source(name).scenario(key)))

        return self._messages.get(("cameras", name, key), make)

    def visible(self, name: str, key: str) -> bytes:
        """Agents that some camera shows at the steps of a drive on perceived input.

        Raises:
            FileNotFoundError: When the drive had no cameras, or nothing was perceived.
        """

        def make() -> bytes:
            driven = self.source(name).log(key)
            if driven is None or driven.cameras is None or not driven.perceived:
                raise FileNotFoundError("This drive had no cameras with perception.")
            rendered = self._rendered(name, key)
            assert rendered is not None
            return as_json(rendered.visible())

        return self._messages.get(("visible", name, key), make)

    def camera_image(self, name: str, key: str, frame: int) -> Path | bytes:
        """A camera image: its file, or a rendered JPEG."""
        rendered = self._rendered(name, key)
        return rendered.jpeg(frame) if rendered else cameras.image_file(self.source(name).scenario(key), frame)

    def _rendered(self, name: str, key: str) -> RenderedStrip | None:
        """Rendered images of a drive; None where the images are those of the log.

        These show the recorded drive. They are preferred unless the drive had cameras of its own.
        """
        source = self.source(name)
        source.row(key)

        def make() -> RenderedStrip | None:
            driven, scenario = source.log(key), source.scenario(key)
            has_files = scenario.cameras is not None and len(scenario.cameras.paths) > 0
            if has_files and (driven is None or driven.cameras is None):
                return None
            return RenderedStrip(scenario, driven)

        return self._strips.get((name, key), make)

    def saved(self, drives: Sequence[tuple[str, str]], view: str) -> bytes:
        """One self-contained page of up to four drives of a scenario."""
        rows = [(name, self.source(name).row(key)) for name, key in drives]
        parts = self._saved_parts(drives)
        name, key = drives[0]
        images: dict[str, bytes] = {}
        try:
            strip, small = self._small_strip(name, key, is_requested="rendered=1" in view)
            parts[f"cameras/{name}/{key}"] = as_json(strip)
            images = {f"camera/{name}/{key}/{frame}": content for frame, content in small.items()}
        except EXPECTED as error:
            logger.info("saved without camera images: %s", error)
        noted = cards(self.source(name), [row for one, row in rows if one == name])
        parts["list"] = as_json(listing_of(rows, noted))
        title = f"{rows[0][1].scenario_type} {rows[0][1].scenario} - camber"
        return saved_page.saved_page(saved_page.PAGE_FOLDER, title, parts, images, view)

    def _saved_parts(self, drives: Sequence[tuple[str, str]]) -> dict[str, bytes]:
        """Answers about drives of one scenario; those that are not available are left out."""
        parts: dict[str, bytes] = {}
        for name, key in drives:
            parts[f"drive/{name}/{key}"] = self.drive(name, key)
            parts[f"evaluation/{name}/{key}"] = self.evaluation(name, key)
        name, key = drives[0]
        optional = [("scene", self.scene, name, key), ("notes", self.notes, name, key)]
        optional += [("visible", self.visible, *drive) for drive in drives]
        for kind, answer, name, key in optional:
            try:
                parts[f"{kind}/{name}/{key}"] = answer(name, key)
            except EXPECTED as error:
                logger.info("saved without %s: %s", kind, error)
        return parts

    def saved_gallery(self, view: str) -> bytes:
        """One self-contained page of up to `MAX_SAVED_FAILURES` failures with their replays.

        Raises:
            ValueError: When no scenario has notes of a failure.
        """
        parts: dict[str, bytes] = {}
        images: dict[str, bytes] = {}
        rows: list[tuple[str, DriveRow]] = []
        noted: list[dict[str, Any]] = []
        for card in listing(list(self.sources.values()))["notes"]:
            name, key = card["source"], card["key"]
            row = self.source(name).row(key)
            if card["failure"] and row.has_log and len(noted) < MAX_SAVED_FAILURES:
                rows.append((name, row))
                noted.append(card)
                parts |= self._saved_parts([(name, key)])
                images[f"still/{name}/{key}"] = self.still(name, key)
        if not noted:
            raise ValueError("No scenario of these folders has notes of a failure, so there is no gallery to save.")
        parts["list"] = as_json(listing_of(rows, noted))
        return saved_page.saved_page(saved_page.PAGE_FOLDER, "failures - camber", parts, images, view)

    def _small_strip(self, name: str, key: str, *, is_requested: bool) -> tuple[dict[str, Any], dict[int, bytes]]:
        source = self.source(name)
        driven, rendered = source.log(key), self._rendered(name, key)
        if rendered is None:
            return cameras.small_strip(source.scenario(key))
        if not is_requested and (driven is None or driven.cameras is None):
            raise FileNotFoundError("The drive has no camera images, and none were requested.")
        return cameras.fewer_images(rendered.strip(), lambda frame: io.BytesIO(rendered.jpeg(frame)))

    def video(self, drives: Sequence[tuple[str, str]], kind: str) -> bytes:
        """The drives overlaid, as MP4 or GIF."""
        from simulation.viewer import video

        shots = [video.shot_of(self.source(name), key) for name, key in drives]
        return video.encode(shots, kind)


def sentence_of(error: BaseException) -> str:
    """Message of an error, without the quotes that a KeyError adds."""
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
