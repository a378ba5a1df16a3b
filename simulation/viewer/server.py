"""The server: JSON and binary messages for the page, and the page itself.

It reads only files that the sources list: requests carry names and keys, never paths.
"""

import io
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from simulation.viewer import cameras, messages, saved_page, thumbnails
from simulation.viewer.listing import as_json, listing, listing_of
from simulation.viewer.recent import Recent
from simulation.viewer.rendered_cameras import RenderedStrip
from simulation.viewer.source import Source

logger = logging.getLogger(__name__)

PAGE_FOLDER = Path(str(files("simulation.viewer"))) / "web" / "dist"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
KEPT_MESSAGES = 64
KEPT_THUMBNAILS = 6000
KEPT_STRIPS = 4
"""Drives whose newest rendered images stay in memory."""
MAX_OVERLAID = 4
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The browser sends requests to this server only."""
EXPECTED = (OSError, ValueError, LookupError)
"""Errors of bad input; the page displays their message."""
_NOT_FOUND_PAGE = (
    '<!doctype html><meta charset="utf-8"><title>camber</title><p>The viewer has no page at this address.'
    ' <a href="/">Open the list of scenarios</a>.</p>'
)


class Viewer:
    """Answers the requests of the page about its sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = {source.name: source for source in sources}
        self._messages: Recent[tuple[str, ...], bytes] = Recent(KEPT_MESSAGES)
        self._thumbnails: Recent[tuple[str, str], bytes] = Recent(KEPT_THUMBNAILS)
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
        parts: dict[str, bytes] = {}
        rows = []
        for name, key in drives:
            rows.append((name, self.source(name).row(key)))
            parts[f"drive/{name}/{key}"] = self.drive(name, key)
            parts[f"evaluation/{name}/{key}"] = self.evaluation(name, key)
            try:
                parts[f"visible/{name}/{key}"] = self.visible(name, key)
            except EXPECTED as error:
                logger.info("saved without visible agents: %s", error)
        name, key = drives[0]
        try:
            parts[f"scene/{name}/{key}"] = self.scene(name, key)
        except EXPECTED as error:
            logger.info("saved without map: %s", error)
        images: dict[str, bytes] = {}
        try:
            strip, small = self._small_strip(name, key, is_requested="rendered=1" in view)
            parts[f"cameras/{name}/{key}"] = as_json(strip)
            images = {f"camera/{name}/{key}/{frame}": content for frame, content in small.items()}
        except EXPECTED as error:
            logger.info("saved without camera images: %s", error)
        parts["list"] = as_json(listing_of(rows))
        title = f"{rows[0][1].scenario_type} {rows[0][1].scenario} - camber"
        return saved_page.saved_page(PAGE_FOLDER, title, parts, images, view)

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


def make_app(sources: Sequence[Source], allowed_hosts: Sequence[str] = LOCAL_HOSTS) -> Starlette:
    """The web application.

    Args:
        sources: Sources of drives and scenarios.
        allowed_hosts: Host names that requests may carry. Other names are refused: a foreign page could otherwise
            read results by resolving its own host name to this machine.

    Raises:
        FileNotFoundError: When the page has not been built.
    """
    if not (PAGE_FOLDER / "index.html").is_file():
        raise FileNotFoundError(f"The page is not built: run `npm ci && npm run build` in {PAGE_FOLDER.parent}.")
    viewer = Viewer(sources)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=viewer.prepare, daemon=True).start()
        yield

    async def index(_request: Request) -> Response:
        return FileResponse(PAGE_FOLDER / "index.html", headers={"Content-Security-Policy": POLICY})

    routes = [Route("/", index), *_api_routes(viewer), Mount("/", StaticFiles(directory=PAGE_FOLDER))]
    hosts = [name for host in allowed_hosts for name in (host, host.strip("[]"))]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(GZipMiddleware, minimum_size=20_000, compresslevel=1),
    ]
    return Starlette(
        routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers={404: _unknown_address}
    )


Answer = tuple[bytes, str]
"""Content and media type."""


def _api_routes(viewer: Viewer) -> list[Route]:
    of_drive: tuple[tuple[str, Callable[[str, str], bytes], str], ...] = (
        ("scene", viewer.scene, "application/octet-stream"),
        ("drive", viewer.drive, "application/octet-stream"),
        ("evaluation", viewer.evaluation, "application/json"),
        ("cameras", viewer.cameras, "application/json"),
        ("visible", viewer.visible, "application/json"),
        ("thumbnail", viewer.thumbnail, "image/png"),
    )
    return [
        Route("/api/list", _endpoint(lambda request: (viewer.listing(), "application/json"))),
        *(
            Route(f"/api/{kind}/{{source}}/{{key}}", _endpoint(_of_drive(query, media)))
            for kind, query, media in of_drive
        ),
        Route("/api/camera/{source}/{key}/{frame:int}", _image_of(viewer)),
        Route("/api/save", _endpoint(lambda request: _saved(viewer, request))),
        Route("/api/video", _endpoint(lambda request: _video(viewer, request))),
    ]


def _unknown_address(request: Request, _error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": f"The viewer has no answer at {request.url.path}."}, status_code=404)
    return HTMLResponse(_NOT_FOUND_PAGE, status_code=404)


def _of_drive(query: Callable[[str, str], bytes], media: str) -> Callable[[Request], Answer]:
    return lambda request: (query(request.path_params["source"], request.path_params["key"]), media)


def _endpoint(query: Callable[[Request], Answer]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            content, media = await run_in_threadpool(query, request)
        except EXPECTED as error:
            return _refusal(error)
        caching = "max-age=3600" if media == "image/png" else "no-store"
        return Response(content, media_type=media, headers={"Cache-Control": caching})

    return answer


def _refusal(error: BaseException) -> Response:
    status = 404 if isinstance(error, (LookupError, FileNotFoundError)) else 422
    return JSONResponse({"error": sentence_of(error)}, status_code=status)


def _image_of(viewer: Viewer) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        names = request.path_params
        try:
            found = await run_in_threadpool(viewer.camera_image, names["source"], names["key"], names["frame"])
        except EXPECTED as error:
            return _refusal(error)
        headers = {"Cache-Control": "max-age=3600"}
        if isinstance(found, bytes):
            return Response(found, media_type="image/jpeg", headers=headers)
        return FileResponse(found, headers=headers)

    return answer


def _drives(request: Request) -> list[tuple[str, str]]:
    """The drives of a request: `d=source/key`, up to four."""
    pairs = [text.partition("/") for text in request.query_params.getlist("d")]
    if not 1 <= len(pairs) <= MAX_OVERLAID or not all(name and key for name, _, key in pairs):
        raise ValueError(f"Name 1 to {MAX_OVERLAID} drives as d=<folder>/<key>.")
    return [(name, key) for name, _, key in pairs]


def _saved(viewer: Viewer, request: Request) -> Answer:
    return viewer.saved(_drives(request), request.query_params.get("view", "")), "text/html"


def _video(viewer: Viewer, request: Request) -> Answer:
    kind = request.query_params.get("kind", "mp4")
    return viewer.video(_drives(request), kind), "image/gif" if kind == "gif" else "video/mp4"
