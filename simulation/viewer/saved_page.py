"""A single HTML file that replays one scenario without a server: the page with all server answers inside."""

import base64
import gzip
import html
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

PAGE_FOLDER = Path(str(files("simulation.viewer"))) / "web" / "dist"
"""The built page."""
VIEW_3D = "view3d.js"
"""Script of the three-dimensional view, loaded on demand."""
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:;"
    " base-uri 'none'"
)


def saved_page(
    page_folder: Path, title: str, answers: Mapping[str, bytes], images: Mapping[str, bytes], view: str
) -> bytes:
    """Build the file.

    Args:
        page_folder: The built page.
        title: Title of the file.
        answers: Answers of the server, by path below `/api/`.
        images: JPEG images, by path below `/api/`.
        view: Part of the page's address after `#`; the file opens with it.
    """
    content = {**answers, VIEW_3D: (page_folder / VIEW_3D).read_bytes()}
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
    # HTML ends a script at the first closing tag, even inside a string.
    code = (page_folder / "app.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    index = re.sub(r"<title>.*?</title>", lambda _: f"<title>{html.escape(title)}</title>", index)
    index = re.sub(r"<script[^>]*src=[^>]*></script>|<link[^>]*rel=\"stylesheet\"[^>]*>", "", index)
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>{style}</style>\n'
        f'<meta name="camber-view" content="{html.escape(view)}">\n'
    )
    index = index.replace("</head>", head + "</head>")
    return index.replace("</body>", f'{scripts}<script type="module">{code}</script>\n</body>').encode()


def _packed(body: bytes) -> str:
    return base64.b64encode(gzip.compress(body, 9, mtime=0)).decode()
