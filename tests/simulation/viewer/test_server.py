import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from simulation.viewer.answers import Viewer
from simulation.viewer.packing import unpack
from simulation.viewer.server import PAGE_FOLDER, make_app
from simulation.viewer.sources import open_sources


@pytest.fixture(scope="module")
def address(results, serve):
    return serve(open_sources([results], None, None))


def query(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def rows_of(address):
    columns = json.loads(query(address + "api/list")[1])["rows"]
    names = ("key", "scenario", "status")
    return [dict(zip(names, values, strict=True)) for values in zip(*(columns[name] for name in names), strict=True)]


def first_row(address):
    return rows_of(address)[0]


def test_page_list_drive_scene_and_evaluation_are_served(address):
    status, page, headers = query(address)
    assert status == 200
    assert b'id="app"' in page
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    key = first_row(address)["key"]
    assert unpack(query(f"{address}api/drive/results/{key}")[1])[0]["num_steps"] == 150
    assert "origin" in unpack(query(f"{address}api/scene/results/{key}")[1])[0]
    assert json.loads(query(f"{address}api/evaluation/results/{key}")[1])["missing"] == ""
    assert query(f"{address}api/thumbnail/results/{key}")[1].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        "api/drive/results/..%2f..%2frun.json",
        "api/drive/elsewhere/key",
        "api/drive/results/simple.nonreactive.ffffffffffffffff",
        "..%2fserver.py",
        "%2e%2e/%2e%2e/server.py",
        "api/camera/results/none/0",
    ],
)
def test_unknown_addresses_are_not_found(address, path):
    status, content, _ = query(address + path)
    assert status == 404
    assert b"import" not in content


def test_an_unknown_page_is_a_sentence_with_a_link_to_the_list(address):
    status, content, headers = query(address + "no/such/page%20%3Cb%3E")
    assert status == 404
    assert headers["Content-Type"].startswith("text/html")
    assert b"no page at this address" in content
    assert b'<a href="/">' in content
    status, content, _ = query(address + "api/nothing")
    assert (status, json.loads(content)) == (404, {"error": "The viewer has no answer at /api/nothing."})


@pytest.mark.parametrize("key", ["%3F", "a%23b", "%25", "%F0%9F%9A%97", "%00", "a,b", "%22%3E"])
def test_keys_of_odd_characters_are_not_found(address, key):
    for kind in ("drive", "scene", "evaluation", "thumbnail", "cameras"):
        status, content, _ = query(f"{address}api/{kind}/results/{key}")
        assert status == 404
        assert "results has no drive" in json.loads(content)["error"]


def test_refusals_are_sentences(address):
    status, content, _ = query(f"{address}api/evaluation/elsewhere/x")
    assert (status, json.loads(content)) == (
        404,
        {"error": "The viewer has no folder 'elsewhere'. It has: results."},
    )
    status, content, _ = query(f"{address}api/save")
    assert status == 422
    assert "Name 1 to 4 drives" in json.loads(content)["error"]


def test_a_foreign_host_name_is_refused(address):
    assert query(address + "api/list", Host="results.example")[0] == 400
    assert query(address + "api/list", Host="localhost:8421")[0] == 200


def test_a_damaged_log_is_a_row_and_other_drives_are_served(results, serve, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(results, folder)
    broken = sorted((folder / "logs").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:1000])
    address = serve(open_sources([folder], None, None))
    rows = rows_of(address)
    assert [row["status"] for row in rows].count("damaged") == 1
    bad = next(row for row in rows if row["status"] == "damaged")
    status, content, _ = query(f"{address}api/drive/damaged/{bad['key']}")
    assert status == 404
    assert "damaged" in json.loads(content)["error"]
    assert query(f"{address}api/drive/damaged/{rows[-1]['key']}")[0] == 200


def test_a_missing_map_is_a_sentence_and_the_drive_is_served(results, world, serve, tmp_path):
    shutil.copytree(world, tmp_path / "world")
    shutil.copytree(results, tmp_path / "results")
    name = next((tmp_path / "world" / "maps").glob("synthetic*/*/map.gpkg"), None) or next(
        path for path in (tmp_path / "world" / "maps").glob("*/*/map.gpkg") if path.stat().st_size > 200_000
    )
    name.unlink()
    address = serve(open_sources([tmp_path / "results"], tmp_path / "world", None))
    key = first_row(address)["key"]
    status, content, _ = query(f"{address}api/scene/results/{key}")
    assert status == 404
    assert "map" in json.loads(content)["error"]
    assert query(f"{address}api/drive/results/{key}")[0] == 200


def test_a_saved_page_is_small_and_complete_and_links_nothing(address):
    row = first_row(address)
    status, page, _ = query(f"{address}api/save?d=results/{row['key']}&view=replay")
    text = page.decode()
    assert status == 200
    assert len(page) < 3e6
    assert "Content-Security-Policy" in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"'](?!data:)", text)
    answers = dict(re.findall(r'data-answer="([^"]+)">([^<]*)<', text))
    assert set(answers) == {
        "list",
        "view3d.js",
        *(f"{kind}/results/{row['key']}" for kind in ("drive", "evaluation", "scene")),
    }
    assert (
        unpack(gzip.decompress(base64.b64decode(answers[f"drive/results/{row['key']}"])))[0]["scenario"]
        == row["scenario"]
    )


def test_the_built_page_matches_its_sources_and_names_no_host():
    web = PAGE_FOLDER.parent
    digest = hashlib.sha256()
    names = sorted(["index.html", "package-lock.json", *(f"src/{path.name}" for path in (web / "src").iterdir())])
    for name in names:
        digest.update(f"{name}\n".encode() + (web / name).read_bytes())
    stamp = (PAGE_FOLDER / "sources.sha256").read_text().strip()
    assert digest.hexdigest() == stamp, "run `npm ci && npm run build` in simulation/viewer/web"
    size = 0
    for name in ("app.js", "view3d.js"):
        code = (PAGE_FOLDER / name).read_text()
        hosts = set(re.findall(r"https?://[a-z0-9.-]+", code))
        assert hosts <= {"http://www.w3.org"}, "only XML namespaces may have the form of addresses"
        size += len(gzip.compress(code.encode()))
    assert size < 1e6


def test_a_missing_page_names_the_build_command(monkeypatch, tmp_path):
    monkeypatch.setattr("simulation.viewer.server.PAGE_FOLDER", tmp_path / "dist")
    with pytest.raises(FileNotFoundError, match="npm run build"):
        make_app([])


def test_the_viewer_needs_no_planner_no_ray_and_no_torch(repository):
    code = (
        "import sys, simulation.viewer.server;"
        "print([name for name in ('ray', 'torch', 'planning', 'matplotlib.pyplot') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_saved_page_of_a_drive_on_perceived_input_has_images_and_visible_agents(
    results_with_perception, drive_with_perception
):
    source = open_sources([results_with_perception], None, None)[0]
    viewer, key = Viewer([source]), drive_with_perception.key
    visible = json.loads(viewer.visible(source.name, key))
    assert len(visible["agents"]) == -(-source.log(key).num_steps // visible["every"])
    page = viewer.saved([(source.name, key)], "replay")
    for part in ("visible", "cameras", "camera"):
        assert f"{part}/{source.name}/{key}".encode() in page
    other = next(row.key for row in source.rows() if row.has_log and row.key != key)
    with pytest.raises(FileNotFoundError, match="no cameras with perception"):
        viewer.visible(source.name, other)


def test_a_drive_without_images_is_rendered_when_it_is_requested(results):
    source = open_sources([results], None, None)[0]
    viewer = Viewer([source])
    row = next(row for row in source.rows() if row.has_log)
    strip = json.loads(viewer.cameras(source.name, row.key))
    assert strip["names"][0] == "CAM_F0"
    image = viewer.camera_image(source.name, row.key, strip["images"][8]["frame"])
    assert image[:2] == b"\xff\xd8"
    name = f"camera/{source.name}/{row.key}/".encode()
    assert name not in viewer.saved([(source.name, row.key)], "replay")
    assert name in viewer.saved([(source.name, row.key)], "replay?rendered=1")
