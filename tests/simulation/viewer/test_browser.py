"""What a user does, done by a real browser."""

import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from driving.importers.registry import IMPORTERS
from driving.nuplan.writer import write_world
from driving.recording import Tag
from simulation.viewer.sources import open_sources

selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    # WebGL all the same, in software.
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    "--force-device-scale-factor=1",
)
GRID = (32, 20)
"""Pictures are compared as so many cells, in grey: fonts differ from machine to machine, the layout does not.

KEEP_PICTURES=1 keeps those of now; look at them before.
"""
ALIKE = 0.93


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: chromium and chromedriver are not installed (apt-get install chromium-driver)")
    folder = tmp_path_factory.mktemp("browser")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = selenium.Chrome(options, Service(driver))
    browser.downloads = folder / "downloads"
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def address(results, serve):
    return serve(open_sources([results], None, None))


@pytest.fixture(scope="module")
def explained_address(explained, serve):
    return serve(open_sources([explained], None, None))


@pytest.fixture(scope="module")
def told(explained):
    return open_sources([explained], None, None)[0].rows()[0]


def until(page, script, *arguments):
    """Wait until a script says something true, and hand it on."""
    return WebDriverWait(page, 30, 0.05).until(lambda p: p.execute_script(f"return {script}", *arguments))


def opened(page, url):
    page.get("about:blank")
    page.get(url)
    return page


def row_of(results, planner="simple", lost=True):
    rows = open_sources([results], None, None)[0].rows()
    return next(row for row in rows if row.planner == planner and (not lost or row.violation_times_s))


def replaying(page, address, row, words=""):
    opened(page, f"{address}#replay?s={row.scenario}&d=results/{row.key}{words}")
    until(page, "window.camberDrawn?.hasMap")
    until(page, "document.querySelectorAll('.chart').length > 5")
    return page


def seconds(page):
    return float(page.find_element(By.CSS_SELECTOR, ".seconds").text.split("/")[0])


def press(page, keys):
    ActionChains(page).send_keys(keys).perform()


def test_the_list_is_filtered_sorted_and_opened(page, address):
    opened(page, address)
    until(page, "document.querySelectorAll('.row.item').length === 3")
    page.find_element(By.ID, "filter-text").send_keys("roundabout no such thing")
    until(page, "document.getElementById('count').textContent === '0 scenarios'")
    opened(page, address)
    until(page, "document.querySelectorAll('.row.item').length === 3")
    Select(page.find_element(By.ID, "filter-type")).select_by_value("stopping_at_traffic_light_without_lead")
    until(page, "document.querySelectorAll('.row.item').length === 1")
    until(page, "location.hash.includes('type=stopping')")
    page.find_element(By.CSS_SELECTOR, ".row.item").click()
    until(page, "window.camberDrawn.hasMap && location.hash.startsWith('#replay')")
    assert "stopping at traffic light" in page.find_element(By.TAG_NAME, "h1").text


def test_failures_and_low_scores_come_first(page, address, results):
    opened(page, address)
    until(page, "document.querySelectorAll('.row.item').length === 3")
    shown = page.execute_script(
        "return [...document.querySelectorAll('.row.item')].sort((a, b) => a.getBoundingClientRect().top"
        " - b.getBoundingClientRect().top).map((row) => row.dataset.scenario)"
    )
    worst = {}
    for row in open_sources([results], None, None)[0].rows():
        worst[row.scenario] = min(row.score, worst.get(row.scenario, 1.0))
    assert shown == sorted(worst, key=lambda scenario: (worst[scenario], scenario))


def test_replaying_plays_steps_and_scrubs(page, address, results):
    replaying(page, address, row_of(results))
    press(page, " ")
    until(page, "window.camberDrawn.frames > 8")
    press(page, " ")
    assert seconds(page) > 0
    press(page, selenium.Keys.HOME)
    assert seconds(page) == 0.0
    press(page, selenium.Keys.ARROW_RIGHT)
    press(page, selenium.Keys.ARROW_RIGHT)
    assert seconds(page) == pytest.approx(0.2)
    press(page, selenium.Keys.ARROW_UP)
    assert seconds(page) == pytest.approx(1.2)
    press(page, selenium.Keys.END)
    assert seconds(page) == pytest.approx(14.9)
    line = page.find_element(By.CSS_SELECTOR, ".timeline .line")
    ActionChains(page).move_to_element(line).click_and_hold().move_by_offset(40, 0).release().perform()
    assert 7.5 < seconds(page) < 9.5


def test_a_violation_is_a_red_mark_and_a_click_jumps_there(page, address, results):
    row = row_of(results)
    replaying(page, address, row)
    sentence = until(page, "document.querySelector('.sentences li.lost button')")
    expected_s = float(sentence.find_element(By.TAG_NAME, "time").text.split()[0])
    assert any(text in sentence.text for text in row.sentences.values())
    assert page.find_elements(By.CSS_SELECTOR, ".timeline .mark.lost")
    sentence.click()
    assert seconds(page) == pytest.approx(expected_s, abs=0.051)


def test_everything_shown_is_in_the_address(page, address, results):
    row = row_of(results)
    replaying(page, address, row, "&t=4.2&zoom=12&l=1259&egoUp=1")
    assert seconds(page) == pytest.approx(4.2)
    press(page, "3")
    press(page, selenium.Keys.ARROW_RIGHT)
    until(page, "location.hash.includes('l=12359')")
    url = until(page, "location.hash.includes('t=4.3') && location.href")
    opened(page, url)
    until(page, "window.camberDrawn?.hasMap")
    assert seconds(page) == pytest.approx(4.3)
    assert page.execute_script("return location.href") == url


def test_two_planners_are_compared_overlaid_and_side_by_side(page, address, results):
    row = row_of(results)
    replaying(page, address, row)
    page.find_element(By.CSS_SELECTOR, ".drives li:not(.chosen) input").click()
    until(page, "document.querySelectorAll('.drives li.chosen').length === 2")
    until(page, "document.querySelectorAll('.scores tbody tr:first-child td:not(.weight)').length === 2")
    assert len(page.find_elements(By.CSS_SELECTOR, ".stage canvas")) == 1
    press(page, "o")
    until(page, "document.querySelectorAll('.stage canvas').length === 2")
    until(page, "location.hash.includes('side=1')")


def test_a_click_on_an_agent_shows_its_facts_and_measuring_shows_metres(page, address, results):
    rows = open_sources([results], None, None)[0].rows()
    row = next(row for row in rows if row.scenario_type.startswith("following_lane"))
    replaying(page, address, row, "&zoom=3")
    log = open_sources([results], None, None)[0].log(row.key)
    offset = log.agents.poses[0, 0, :2] - log.ego.center_poses()[0, 0, :2]
    canvas = page.find_element(By.CSS_SELECTOR, ".stage canvas")
    ActionChains(page).move_to_element_with_offset(
        canvas, round(3 * offset[0]), round(-3 * offset[1])
    ).click().perform()
    facts = until(page, "document.querySelector('.agent dl')?.textContent")
    assert "vehicle" in facts
    assert f"{np.hypot(*offset):.1f} m" in facts
    until(page, "document.querySelectorAll('.agent .chart').length === 2")


def canvas_colours(page, colours):
    """How many pixels of the view have nearly one of these colours."""
    return page.execute_script(
        """
        const canvas = document.querySelector(".stage canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const wanted = arguments[0];
        let found = 0;
        for (let i = 0; i < data.length; i += 4) {
          const away = ([r, g, b]) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
          if (wanted.some((colour) => away(colour) < 12)) found++;
        }
        return found;
        """,
        colours,
    )


def test_candidates_are_a_layer_with_a_legend(page, explained_address, explained, told):
    opened(page, f"{explained_address}#replay?s={told.scenario}&d=explained/{told.key}&t=2&l=150")
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.legend')")
    log = open_sources([explained], None, None)[0].log(told.key)
    driven = log.candidates[20].scores[log.candidates[20].chosen]
    legend = page.find_element(By.CSS_SELECTOR, ".legend")
    assert f"driven: {driven:.2f}, of 15" in legend.text
    best = [[13, 47, 107], [255, 228, 92]]  # The best end of the light and of the dark scale.
    assert canvas_colours(page, best) > 50
    press(page, "0")
    until(page, "!document.querySelector('.legend') && /l=15(&|$)/.test(location.hash)")
    time.sleep(0.2)
    assert canvas_colours(page, best) == 0
    press(page, "0")
    press(page, selenium.Keys.ARROW_RIGHT)
    driven = log.candidates[21].scores[log.candidates[21].chosen]
    until(page, f"document.querySelector('.legend').textContent.includes('driven: {driven:.2f}')")


def test_planners_without_candidates_have_no_legend(page, address, results):
    replaying(page, address, row_of(results))
    assert not page.find_elements(By.CSS_SELECTOR, ".legend")


def test_the_view_in_three_dimensions_is_loaded_on_demand_turned_and_kept_in_the_address(
    page, explained_address, told, tmp_path
):
    opened(page, f"{explained_address}#replay?s={told.scenario}&d=explained/{told.key}&t=2")
    until(page, "window.camberDrawn?.hasMap")
    scripts = "performance.getEntriesByType('resource').filter((entry) => entry.name.endsWith('view3d.js')).length"
    assert page.execute_script(f"return {scripts}") == 0
    press(page, "v")
    until(page, "window.camberDrawn.solidFrames > 0")
    assert page.execute_script(f"return {scripts}") == 1
    assert until(page, "location.hash.includes('3d=1')")
    canvas = page.find_element(By.CSS_SELECTOR, ".stage canvas.solid")
    before = cells_of(canvas, tmp_path / "before.png")
    assert before.std() > 5, "the picture is empty"
    ActionChains(page).drag_and_drop_by_offset(canvas, 120, 40).perform()
    turned = until(page, "location.hash.match(/turn=([^&]*)/)?.[1]")
    assert float(turned) == pytest.approx(42.0, abs=2.0)
    assert np.abs(cells_of(canvas, tmp_path / "after.png") - before).mean() > 2
    frames = page.execute_script("return window.camberDrawn.solidFrames")
    press(page, selenium.Keys.ARROW_RIGHT)
    until(page, f"window.camberDrawn.solidFrames > {frames}")
    assert page.find_elements(By.CSS_SELECTOR, ".legend")
    press(page, "v")
    until(page, "!document.querySelector('.stage canvas.solid')")


def test_without_webgl_the_page_says_so_and_draws_from_above(page, explained_address, told):
    page.get("about:blank")
    script = page.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {
            "source": "const real = HTMLCanvasElement.prototype.getContext;"
            "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
            " return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest); };"
        },
    )
    try:
        page.get(f"{explained_address}#replay?s={told.scenario}&d=explained/{told.key}&3d=1")
        notice = until(page, "document.querySelector('.notice')?.textContent")
        assert "this browser offers no WebGL here. Drawn from above." in notice
        until(page, "window.camberDrawn?.hasMap && !document.querySelector('canvas.solid')")
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_a_saved_page_shows_candidates_and_three_dimensions_without_a_server(page, explained_address, told):
    opened(page, f"{explained_address}#replay?s={told.scenario}&d=explained/{told.key}&t=2&l=123450&3d=1")
    until(page, "window.camberDrawn?.hasMap")
    page.find_element(By.XPATH, "//summary[text()='Save']").click()
    page.find_element(By.ID, "save-html").click()
    file = page.downloads / f"{told.scenario_type}_{told.scenario}.html"
    WebDriverWait(page, 30, 0.1).until(lambda _: file.exists())
    assert file.stat().st_size < 3e6
    opened(page, f"file://{file}")
    until(page, "window.camberDrawn?.solidFrames > 0 && document.querySelector('.legend')")
    press(page, "v")
    until(page, "window.camberDrawn.frames > window.camberDrawn.solidFrames")
    file.unlink()


def test_the_saved_page_opens_without_a_server_and_asks_nobody(page, address, results, tmp_path):
    row = row_of(results)
    replaying(page, address, row, "&t=3")
    page.find_element(By.XPATH, "//summary[text()='Save']").click()
    page.find_element(By.ID, "save-html").click()
    name = f"{row.scenario_type}_{row.scenario}.html"
    WebDriverWait(page, 30, 0.1).until(lambda _: (page.downloads / name).exists())
    page.get("about:blank")
    time.sleep(0.3)
    page.get_log("performance")
    opened(page, f"file://{page.downloads / name}")
    until(page, "window.camberDrawn?.hasMap")
    until(page, "document.querySelectorAll('.chart').length > 5")
    assert seconds(page) == pytest.approx(3.0)
    press(page, selenium.Keys.ARROW_RIGHT)
    assert seconds(page) == pytest.approx(3.1)
    asked = [
        entry["message"] for entry in page.get_log("performance") if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert not [message for message in asked if '"url":"http' in message]


def test_camera_images_show_boxes_on_demand_and_are_in_the_saved_page(page, recorded_data, serve, tmp_path):
    recording = IMPORTERS["track_archive"].read(recorded_data / "nuscenes_mini" / "tracks" / "scene-0061.npz")
    write_world([replace(recording, tags=(Tag(frame=30, scenario_type="on_intersection"),))], tmp_path, images="copy")
    opened(page, serve(open_sources([], tmp_path, None)))
    until(page, "document.querySelector('.row.item')").click()
    until(page, "window.camberDrawn?.hasMap")
    jump = until(page, "document.querySelector('.cameras figure') || document.querySelector('.cameras .link')")
    if jump.tag_name == "button":
        jump.click()
    until(
        page, "[...document.querySelectorAll('.cameras img')].filter((one) => one.naturalWidth === 1600).length === 6"
    )
    assert not page.find_elements(By.CSS_SELECTOR, ".cameras svg")
    page.find_element(By.CSS_SELECTOR, ".cameras input").click()
    until(page, "document.querySelectorAll('.cameras path').length > 10 && location.hash.includes('boxes=1')")
    time.sleep(0.5)
    page.find_element(By.XPATH, "//summary[text()='Save']").click()
    page.find_element(By.ID, "save-html").click()
    WebDriverWait(page, 30, 0.1).until(lambda _: list(page.downloads.glob("on_intersection*.html")))
    (file,) = page.downloads.glob("on_intersection*.html")
    assert file.stat().st_size < 3e6
    opened(page, f"file://{file}")
    until(
        page, "[...document.querySelectorAll('.cameras img')].filter((one) => one.naturalWidth === 320).length === 6"
    )
    assert len(page.find_elements(By.CSS_SELECTOR, ".cameras path")) > 10


def test_a_map_or_drive_that_is_missing_is_a_sentence_in_the_page(page, results, serve, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    (folder / "run.json").unlink()
    lost = row_of(results)
    (folder / "logs" / f"{lost.key}.simlog").write_bytes(b"camberSL")
    address = serve(open_sources([folder], None, None))
    opened(page, address)
    assert "There is no readable run.json" in until(page, "document.querySelector('.notice')?.textContent")
    assert until(page, "document.querySelectorAll('.score.broken').length") == 1
    other = row_of(results, "log_future", lost=False)
    opened(page, f"{address}#replay?s={other.scenario}&d=results/{other.key}")
    until(page, "window.camberDrawn?.frames > 0")
    assert "Drawn without a map" in until(page, "document.querySelector('.notice')?.textContent")


def test_an_empty_folder_is_a_sentence_in_the_page(page, serve, tmp_path):
    opened(page, serve(open_sources([tmp_path], None, None)))
    assert "holds no benchmark results" in until(page, "document.querySelector('.notice.error')?.textContent")


@pytest.mark.parametrize("name", ["list", "replay", "compare", "dark"])
def test_pages_look_as_kept(page, address, results, name, repository, tmp_path):
    row = row_of(results)
    other = row_of(results, "log_future", lost=False)
    other_key = other.key.rsplit(".", 1)[0] + "." + row.scenario
    page.get_log("browser")
    if name == "list":
        opened(page, address)
        until(page, "document.querySelectorAll('.row.item img').length === 3")
    else:
        words = f",results/{other_key}&side=1" if name == "compare" else ""
        replaying(page, address, row, f"{words}&t=5")
        if name == "dark":
            page.find_element(By.CSS_SELECTOR, "header button[title='Light or dark']").click()
    time.sleep(0.6)
    page.save_screenshot(str(tmp_path / "now.png"))
    found = cells(tmp_path / "now.png")
    kept = repository / "tests" / "simulation" / "viewer" / "kept" / f"{name}.png"
    if os.environ.get("KEEP_PICTURES"):
        kept.parent.mkdir(exist_ok=True)
        Image.open(tmp_path / "now.png").convert("L").resize((320, 200)).save(kept, optimize=True)
    alike = np.corrcoef(found.ravel(), cells(kept).ravel())[0, 1]
    assert alike > ALIKE, f"{name} looks different from {kept.name}: {alike:.3f}"
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def cells_of(element, path):
    path.write_bytes(element.screenshot_as_png)
    return cells(path)


def cells(path):
    return np.asarray(Image.open(path).convert("L").resize(GRID, Image.Resampling.BOX), dtype=float)
