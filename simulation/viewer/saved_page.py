"""One HTML file of a scenario that opens anywhere without a server: the page, with its answers inside."""

import base64
import gzip
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulation.viewer.rows import DriveRow
from simulation.viewer.sources import Source, as_json, listing

SOLID_VIEW = "view3d.js"
"""The three-dimensional view, a script that the page loads when it is asked for."""
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:;"
    " base-uri 'none'"
)


class _Chosen:
    """A source of only the rows that are saved."""

    def __init__(self, name: str, rows: Sequence[DriveRow]) -> None:
        self.name = name
        self._rows = rows

    def rows(self) -> Sequence[DriveRow]:
        return self._rows

    def facts(self) -> dict[str, object]:
        return {"notices": [], "run": None}


def saved_page(
    page_folder: Path,
    rows: Sequence[tuple[str, DriveRow]],
    answers: Mapping[str, bytes],
    images: Mapping[str, bytes],
    view: str,
) -> bytes:
    """Put page and answers into one file.

    Args:
        page_folder: The built page.
        rows: The drives, each with the name of its source.
        answers: What the server would answer, by path below `/api/`.
        images: JPEGs, by path below `/api/`.
        view: Part of the page's address behind `#`, with which the file opens.
    """
    names = list(dict.fromkeys(name for name, _ in rows))
    chosen: list[Source] = [_Chosen(name, [row for of, row in rows if of == name]) for name in names]  # type: ignore[misc]
    content = {
        "list": as_json(listing(chosen)),
        **answers,
        SOLID_VIEW: (page_folder / SOLID_VIEW).read_bytes(),
    }
    scripts = "".join(
        f'<script type="application/gzip" data-answer="{html.escape(path)}">{_packed(body)}</script>\n'
        for path, body in content.items()
    )
    scripts += "".join(
        f'<script type="image/jpeg" data-image="{html.escape(path)}">{base64.b64encode(body).decode()}</script>\n'
        for path, body in images.items()
    )
    index = (page_folder / "index.html").read_text(encoding="utf-8")
    style = (page_folder / "app.css").read_text(encoding="utf-8")
    # A script ends at the first closing tag, also within a string.
    code = (page_folder / "app.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    title = html.escape(f"{rows[0][1].scenario_type} {rows[0][1].scenario} - camber")
    index = re.sub(r"<title>.*?</title>", lambda _: f"<title>{title}</title>", index)
    index = re.sub(r"<script[^>]*src=[^>]*></script>|<link[^>]*rel=\"stylesheet\"[^>]*>", "", index)
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{style}</style>\n'
        f'<meta name="camber-view" content="{html.escape(view)}">\n'
    )
    index = index.replace("</head>", head + "</head>")
    return index.replace("</body>", f'{scripts}<script type="module">{code}</script>\n</body>').encode()


def _packed(body: bytes) -> str:
    return base64.b64encode(gzip.compress(body, 9, mtime=0)).decode()
