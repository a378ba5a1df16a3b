import base64
import gzip
import re

import pytest

from simulation.viewer.saved_page import saved_page


@pytest.fixture
def page_folder(tmp_path):
    (tmp_path / "index.html").write_text(
        '<html><head><title>camber</title><script type="module" src="./app.js"></script>'
        '<link rel="stylesheet" href="./app.css"></head><body><div id="app"></div></body></html>'
    )
    (tmp_path / "app.css").write_text("body { margin: 0 }")
    (tmp_path / "app.js").write_text('const text = "</script>";')
    (tmp_path / "view3d.js").write_text("export class View3d {}")
    return tmp_path


def test_the_file_contains_page_answers_and_images(page_folder):
    answers = {"drive/first/idm": b"answer"}
    text = saved_page(page_folder, "title", answers, {"camera/first/idm/3": b"jpeg"}, "replay?t=1").decode()
    found = {
        path: gzip.decompress(base64.b64decode(body))
        for path, body in re.findall(r'data-answer="([^"]+)">([^<]*)<', text)
    }
    assert found == {**answers, "view3d.js": b"export class View3d {}"}
    assert f'data-image="camera/first/idm/3">{base64.b64encode(b"jpeg").decode()}<' in text
    assert '<meta name="camber-view" content="replay?t=1">' in text
    assert "body { margin: 0 }" in text


def test_the_file_links_no_other_file(page_folder):
    text = saved_page(page_folder, "title", {}, {}, "replay").decode()
    assert "src=" not in text
    assert "href=" not in text
    assert "default-src 'none'" in text


def test_odd_characters_do_not_end_scripts_or_attributes(page_folder):
    view = 'replay?s="><b>'
    text = saved_page(page_folder, "<i>&", {'drive/"><b>': b""}, {}, view).decode()
    assert "<b>" not in text
    assert "<title>&lt;i&gt;&amp;</title>" in text
    assert 'const text = "<\\/script>";' in text
