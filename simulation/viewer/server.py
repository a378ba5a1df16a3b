"""The server: JSON and binary messages for the page, and the page itself.

It reads only files that the sources list: requests carry names and keys, never paths.
"""

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
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

from simulation.viewer.answers import EXPECTED, Viewer, sentence_of
from simulation.viewer.saved_page import PAGE_FOLDER
from simulation.viewer.source import Source

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MAX_OVERLAID = 4
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The browser sends requests to this server only."""
_NOT_FOUND_PAGE = (
    '<!doctype html><meta charset="utf-8"><title>camber</title><p>The viewer has no page at this address.'
    ' <a href="/">Open the list of scenarios</a>.</p>'
)


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
        ("notes", viewer.notes, "application/octet-stream"),
        ("thumbnail", viewer.thumbnail, "image/png"),
        ("still", viewer.still, "image/jpeg"),
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
        caching = "max-age=3600" if media.startswith("image/") else "no-store"
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
    view = request.query_params.get("view", "")
    is_gallery = request.query_params.get("gallery") == "1"
    return viewer.saved_gallery(view) if is_gallery else viewer.saved(_drives(request), view), "text/html"


def _video(viewer: Viewer, request: Request) -> Answer:
    kind = request.query_params.get("kind", "mp4")
    return viewer.video(_drives(request), kind), "image/gif" if kind == "gif" else "video/mp4"
