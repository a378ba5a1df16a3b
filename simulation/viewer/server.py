"""The server: JSON and binary messages for the page, and the page itself.

It reads only what the sources name: requests carry names and keys, never paths.
"""

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
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from simulation.viewer import cameras, frames, pictures, saved_page
from simulation.viewer.recent import Recent
from simulation.viewer.sources import Source, as_json, listing

log = logging.getLogger(__name__)

PAGE_FOLDER = Path(str(files("simulation.viewer"))) / "web" / "dist"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
KEPT_MESSAGES = 64
KEPT_THUMBNAILS = 6000
MAX_OVERLAID = 4
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The browser refuses to ask any other host for anything."""
EXPECTED = (OSError, ValueError, LookupError)
"""Bad input, told to the page as one sentence."""


class Viewer:
    """Answers what the page asks about the sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = {source.name: source for source in sources}
        self._messages: Recent[tuple[str, ...], bytes] = Recent(KEPT_MESSAGES)
        self._thumbnails: Recent[tuple[str, str], bytes] = Recent(KEPT_THUMBNAILS)
        self._judging = threading.Lock()

    def source(self, name: str) -> Source:
        """A source by name.

        Raises:
            LookupError: When there is none.
        """
        if name not in self.sources:
            raise LookupError(f"Nothing named {name!r} is shown here. Shown: {', '.join(self.sources)}.")
        return self.sources[name]

    def listing(self) -> bytes:
        """The list of all drives."""
        return as_json(listing(list(self.sources.values())))

    def scene(self, name: str, key: str) -> bytes:
        """Map, route and logged ego."""
        source = self.source(name)
        row = source.row(key)
        # All drives of a scenario share its scene.
        return self._messages.get(
            ("scene", name, row.scenario, row.scenario_type), lambda: frames.scene_message(source.scenario(key))
        )

    def drive(self, name: str, key: str) -> bytes:
        """What was driven; the logged drive where nobody has."""
        source = self.source(name)
        source.row(key)

        def made() -> bytes:
            driven = source.log(key)
            return frames.drive_message(driven) if driven else frames.logged_message(source.scenario(key))

        return self._messages.get(("drive", name, key), made)

    def prepare(self) -> None:
        """Do what takes a moment before somebody asks: read the rows, load the compiled metrics."""
        self.listing()
        from simulation.viewer import video, why

        log.debug("ready: %s, %s", why.__name__, video.__name__)

    def why(self, name: str, key: str) -> bytes:
        """Curves and sentences; without the scenario, curves of the motion alone and the reason."""
        # Loading the metrics takes seconds; the page is there before.
        from simulation.viewer import why

        source = self.source(name)
        source.row(key)

        def made() -> bytes:
            driven = source.log(key)
            if driven is None:
                scenario = source.scenario(key)
                ego = scenario.ego.steps(scenario.frames.start, scenario.frames.stop)
                return as_json({**why.explain_alone(ego, None), "missing": "Nobody has driven this scenario yet."})
            try:
                with self._judging:
                    return as_json({**why.explain(driven, source.scenario(key)), "missing": ""})
            except EXPECTED as error:
                return as_json({**why.explain_alone(driven.ego, driven), "missing": sentence_of(error)})

        return self._messages.get(("why", name, key), made)

    def thumbnail(self, name: str, key: str) -> bytes:
        """A small PNG of the drive from above."""
        source = self.source(name)
        source.row(key)
        return self._thumbnails.get((name, key), lambda: pictures.thumbnail(source, key))

    def cameras(self, name: str, key: str) -> bytes:
        """Which camera images there are, and where boxes appear in them."""
        source = self.source(name)
        return self._messages.get(("cameras", name, key), lambda: as_json(cameras.camera_strip(source.scenario(key))))

    def camera_file(self, name: str, key: str, frame: int) -> Path:
        """An image."""
        return cameras.image_file(self.source(name).scenario(key), frame)

    def saved(self, drives: Sequence[tuple[str, str]], view: str) -> bytes:
        """One self-contained page of up to four drives of a scenario."""
        parts: dict[str, bytes] = {}
        rows = []
        for name, key in drives:
            rows.append((name, self.source(name).row(key)))
            parts[f"drive/{name}/{key}"] = self.drive(name, key)
            parts[f"why/{name}/{key}"] = self.why(name, key)
        name, key = drives[0]
        try:
            parts[f"scene/{name}/{key}"] = self.scene(name, key)
        except EXPECTED as error:
            log.info("saved without map: %s", error)
        images: dict[str, bytes] = {}
        try:
            strip, small = cameras.small_strip(self.source(name).scenario(key))
            parts[f"cameras/{name}/{key}"] = as_json(strip)
            images = {f"camera/{name}/{key}/{frame}": content for frame, content in small.items()}
        except EXPECTED as error:
            log.info("saved without camera images: %s", error)
        return saved_page.saved_page(PAGE_FOLDER, rows, parts, images, view)

    def video(self, drives: Sequence[tuple[str, str]], kind: str) -> bytes:
        """The drives overlaid, as MP4 or GIF."""
        from simulation.viewer import video

        shots = [video.shot_of(self.source(name), key) for name, key in drives]
        return video.encode(shots, kind)


def sentence_of(error: BaseException) -> str:
    """What an error says, without the quotes that a KeyError puts around it."""
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)


def make_app(sources: Sequence[Source], allowed_hosts: Sequence[str] = LOCAL_HOSTS) -> Starlette:
    """The web application.

    Args:
        sources: What is shown.
        allowed_hosts: Names under which a browser may call; others are refused, so that a foreign page cannot
            read results by pointing its own name at this machine.

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

    routes = [
        Route("/", index),
        Route("/api/list", _answering(lambda request: (viewer.listing(), "application/json"))),
        *(
            Route(f"/api/{kind}/{{source}}/{{key}}", _answering(_of_drive(ask, media)))
            for kind, ask, media in (
                ("scene", viewer.scene, "application/octet-stream"),
                ("drive", viewer.drive, "application/octet-stream"),
                ("why", viewer.why, "application/json"),
                ("cameras", viewer.cameras, "application/json"),
                ("thumbnail", viewer.thumbnail, "image/png"),
            )
        ),
        Route("/api/camera/{source}/{key}/{frame:int}", _image_of(viewer)),
        Route("/api/save", _answering(lambda request: _saved(viewer, request))),
        Route("/api/video", _answering(lambda request: _video(viewer, request))),
        Mount("/", StaticFiles(directory=PAGE_FOLDER)),
    ]
    hosts = [name for host in allowed_hosts for name in (host, host.strip("[]"))]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(GZipMiddleware, minimum_size=20_000, compresslevel=1),
    ]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)


Answer = tuple[bytes, str]


def _of_drive(ask: Callable[[str, str], bytes], media: str) -> Callable[[Request], Answer]:
    return lambda request: (ask(request.path_params["source"], request.path_params["key"]), media)


def _answering(ask: Callable[[Request], Answer]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            content, media = await run_in_threadpool(ask, request)
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
            path = await run_in_threadpool(viewer.camera_file, names["source"], names["key"], names["frame"])
        except EXPECTED as error:
            return _refusal(error)
        return FileResponse(path, headers={"Cache-Control": "max-age=3600"})

    return answer


def _drives(request: Request) -> list[tuple[str, str]]:
    """The drives that a request names: `d=source/key`, up to four."""
    pairs = [text.partition("/") for text in request.query_params.getlist("d")]
    if not 1 <= len(pairs) <= MAX_OVERLAID or not all(name and key for name, _, key in pairs):
        raise ValueError(f"Name 1 to {MAX_OVERLAID} drives as d=<folder>/<key>.")
    return [(name, key) for name, _, key in pairs]


def _saved(viewer: Viewer, request: Request) -> Answer:
    return viewer.saved(_drives(request), request.query_params.get("view", "")), "text/html"


def _video(viewer: Viewer, request: Request) -> Answer:
    kind = request.query_params.get("kind", "mp4")
    return viewer.video(_drives(request), kind), "image/gif" if kind == "gif" else "video/mp4"
