"""Actions of a user, carried out in a real browser."""

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

from benchmarks.viewer import FLAGS  # noqa: E402

GRID = (32, 20)
"""Screenshots are compared as a grid of grey cells: fonts differ between machines, the layout does not.

KEEP_PICTURES=1 writes new reference pictures; inspect them before committing.
"""
MIN_CORRELATION = 0.93


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: chromium and chromedriver are not installed (apt-get install chromium-driver)")
    folder = tmp_path_factory.mktemp("browser")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    window = ("--window-size=1280,900", "--force-device-scale-factor=1")
    for flag in (*FLAGS, *window, f"--user-data-dir={folder / 'profile'}"):
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
def candidates_address(results_with_candidates, serve):
    return serve(open_sources([results_with_candidates], None, None))


@pytest.fixture(scope="module")
def noted_address(results_with_notes, serve):
    return serve(open_sources([results_with_notes], None, None))


@pytest.fixture(scope="module")
def drive_with_candidates(results_with_candidates):
    return open_sources([results_with_candidates], None, None)[0].rows()[0]


def until(page, script, *arguments):
    """Wait until a script returns a true value, and return it."""
    return WebDriverWait(page, 30, 0.05).until(lambda p: p.execute_script(f"return {script}", *arguments))


def until_text(page, selector, words):
    """Wait until the first element of a selector contains the words."""
    until(page, "document.querySelector(arguments[0])?.textContent.includes(arguments[1])", selector, words)


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


def test_the_list_is_filtered_and_a_scenario_opened(page, address):
    opened(page, address)
    until(page, "document.querySelectorAll('.row.item').length === 3")
    page.find_element(By.ID, "filter-text").send_keys("roundabout nothing")
    until(page, "document.getElementById('count').textContent === '0 scenarios'")
    page.find_element(By.XPATH, "//button[text()='Clear the filters']").click()
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
    listed = page.execute_script(
        "return [...document.querySelectorAll('.row.item')].sort((a, b) => a.getBoundingClientRect().top"
        " - b.getBoundingClientRect().top).map((row) => row.dataset.scenario)"
    )
    worst = {}
    for row in open_sources([results], None, None)[0].rows():
        worst[row.scenario] = min(row.score, worst.get(row.scenario, 1.0))
    assert listed == sorted(worst, key=lambda scenario: (worst[scenario], scenario))


def test_a_replay_plays_steps_and_scrubs(page, address, results):
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


def test_the_address_restores_the_whole_view(page, address, results):
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


def test_a_click_on_an_agent_opens_its_facts(page, address, results):
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
    """Number of pixels of the view close to one of these colours."""
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


def test_candidates_are_a_layer_with_a_legend(
    page, candidates_address, results_with_candidates, drive_with_candidates
):
    opened(
        page,
        f"{candidates_address}#replay?s={drive_with_candidates.scenario}&d=candidates/{drive_with_candidates.key}&t=2&l=150",
    )
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.legend')")
    log = open_sources([results_with_candidates], None, None)[0].log(drive_with_candidates.key)
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


def test_the_layer_of_perception_is_switched_and_perceived_boxes_are_in_the_images(
    page, results_with_perception, drive_with_perception, serve
):
    address = serve(open_sources([results_with_perception], None, None))
    row = drive_with_perception
    opened(page, f"{address}#replay?s={row.scenario}&d=perceived/{row.key}&t=2&l=15p&boxes=1")
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.perception-legend')")
    legend = page.find_element(By.CSS_SELECTOR, ".perception-legend")
    until(page, "!arguments[0].textContent.includes('visible or not')", legend)
    assert "1 perceived" in legend.text
    assert "1 false" in legend.text
    red = [[200, 30, 30], [255, 107, 96]]
    assert canvas_colours(page, red) > 20
    until(page, "document.querySelectorAll('.cameras path.perceived').length > 0")
    press(page, "p")
    until(page, "!document.querySelector('.perception-legend') && /l=15(&|$)/.test(location.hash)")
    time.sleep(0.2)
    assert canvas_colours(page, red) == 0
    assert not page.find_elements(By.CSS_SELECTOR, ".cameras path.perceived")


WAY_OUT, GHOST = [[10, 125, 52]], [[63, 63, 70]]
"""Colours on light ground."""


def test_notes_are_layers_with_a_legend_and_marks_on_the_time_line(page, noted_address, noted_drives):
    row = noted_drives[0]
    opened(page, f"{noted_address}#replay?s={row.scenario}&d=noted/{row.key}&t=5&l=15ugte&zoom=6")
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.notes-legend')")
    legend = page.find_element(By.CSS_SELECTOR, ".notes-legend").text
    assert "3 samples of traffic" in legend
    assert "1.2 s to react" in legend
    assert page.find_element(By.CSS_SELECTOR, ".reaction-text").text == "surprise 3.0 s → latest start 4.2 s"
    panel = page.find_element(By.CSS_SELECTOR, ".scenario-notes").text
    assert "cut in" in panel
    assert "solvable" in panel
    for key, colours in (("e", WAY_OUT), ("g", GHOST)):
        assert canvas_colours(page, colours) > 30
        press(page, key)
        time.sleep(0.2)
        assert canvas_colours(page, colours) == 0
    press(page, "t")
    press(page, "u")
    until(page, "!document.querySelector('.notes-legend') && /l=15(&|$)/.test(location.hash)")
    page.find_element(By.CSS_SELECTOR, ".scenario-notes li.lost button").click()
    assert seconds(page) == pytest.approx(6.0)
    until_text(page, ".agent dl", "of agents are more likely")


def test_the_notes_are_drawn_in_three_dimensions(page, noted_address, noted_drives, tmp_path):
    row = noted_drives[0]
    opened(page, f"{noted_address}#replay?s={row.scenario}&d=noted/{row.key}&t=5&l=15ge&zoom=6&3d=1")
    until(page, "window.camberDrawn?.solidFrames > 0 && document.querySelector('.notes-legend')")
    canvas = page.find_element(By.CSS_SELECTOR, ".stage canvas.solid")
    before = cells_of(canvas, tmp_path / "before.png")
    press(page, "e")
    press(page, "g")
    until(page, "!document.querySelector('.notes-legend')")
    time.sleep(0.3)
    assert np.abs(cells_of(canvas, tmp_path / "after.png") - before).max() > 4


def test_a_card_of_the_gallery_opens_the_replay_shortly_before_the_failure(page, noted_address, noted_drives):
    opened(page, noted_address)
    until(page, "document.getElementById('open-gallery')").click()
    until(page, "document.querySelectorAll('.card img').length === 2")
    until(page, "[...document.querySelectorAll('.card img')].every((image) => image.naturalWidth === 440)")
    assert page.find_element(By.ID, "failure-count").text == "2 failures, 1 solvable, 2 modes"
    Select(page.find_element(By.ID, "gallery-solvable")).select_by_value("yes")
    until(page, "document.querySelectorAll('.card').length === 1 && location.hash.includes('solvable=yes')")
    card = page.find_element(By.CSS_SELECTOR, ".card")
    assert "1.2 s to react" in card.text
    Select(page.find_element(By.ID, "gallery-solvable")).select_by_value("")
    until(page, "document.querySelectorAll('.card').length === 2")
    page.find_element(By.CSS_SELECTOR, f".card[data-scenario='{noted_drives[0].scenario}']").click()
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.scenario-notes')")
    assert seconds(page) == pytest.approx(2.5)
    press(page, "]")
    until(page, "location.hash.includes(arguments[0])", f"s={noted_drives[1].scenario}")
    until_text(page, ".scenario-notes", "no way out proven")
    page.find_element(By.XPATH, "//button[text()='← ' and contains(., 'Failures')]").click()
    until(page, "document.querySelectorAll('.card').length === 2")


def test_a_saved_gallery_opens_without_a_server(page, noted_address, noted_drives):
    opened(page, f"{noted_address}#gallery")
    until(page, "document.getElementById('save-gallery')").click()
    file = page.downloads / "failures.html"
    WebDriverWait(page, 60, 0.1).until(lambda _: file.exists())
    opened(page, f"file://{file}")
    until(page, "document.querySelectorAll('.card').length === 2")
    until(page, "[...document.querySelectorAll('.card img')].every((image) => image.naturalWidth === 440)")
    page.find_element(By.CSS_SELECTOR, f".card[data-scenario='{noted_drives[0].scenario}']").click()
    until(page, "window.camberDrawn?.hasMap && document.querySelector('.notes-legend')")
    assert "3 samples" in page.find_element(By.CSS_SELECTOR, ".notes-legend").text
    press(page, selenium.Keys.ESCAPE)
    until(page, "document.querySelectorAll('.card').length === 2")
    file.unlink()


def test_without_notes_there_is_no_gallery(page, address):
    opened(page, address)
    until(page, "document.querySelectorAll('.row.item').length === 3")
    assert not page.find_elements(By.ID, "open-gallery")
    opened(page, f"{address}#gallery")
    until_text(page, ".empty", "No scenario has notes of a failure")


def test_planners_without_candidates_have_no_legend(page, address, results):
    replaying(page, address, row_of(results))
    assert not page.find_elements(By.CSS_SELECTOR, ".legend")


def test_the_three_dimensional_view_is_loaded_on_demand_and_rotated(
    page, candidates_address, drive_with_candidates, tmp_path
):
    opened(
        page,
        f"{candidates_address}#replay?s={drive_with_candidates.scenario}&d=candidates/{drive_with_candidates.key}&t=2",
    )
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


def test_without_webgl_the_page_draws_from_above_with_a_notice(page, candidates_address, drive_with_candidates):
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
        page.get(
            f"{candidates_address}#replay?s={drive_with_candidates.scenario}&d=candidates/{drive_with_candidates.key}&3d=1"
        )
        until_text(page, ".notice", "which this browser does not offer here. Drawn from above.")
        until(page, "window.camberDrawn?.hasMap && !document.querySelector('canvas.solid')")
    finally:
        page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_a_saved_page_contains_candidates_and_the_three_dimensional_view(
    page, candidates_address, drive_with_candidates
):
    opened(
        page,
        f"{candidates_address}#replay?s={drive_with_candidates.scenario}&d=candidates/{drive_with_candidates.key}&t=2&l=123450&3d=1",
    )
    until(page, "window.camberDrawn?.hasMap")
    page.find_element(By.XPATH, "//summary[text()='Save']").click()
    page.find_element(By.ID, "save-html").click()
    file = page.downloads / f"{drive_with_candidates.scenario_type}_{drive_with_candidates.scenario}.html"
    WebDriverWait(page, 30, 0.1).until(lambda _: file.exists())
    assert file.stat().st_size < 3e6
    opened(page, f"file://{file}")
    until(page, "window.camberDrawn?.solidFrames > 0 && document.querySelector('.legend')")
    press(page, "v")
    until(page, "window.camberDrawn.frames > window.camberDrawn.solidFrames")
    file.unlink()


def test_a_saved_page_opens_without_a_server_and_sends_no_request(page, address, results, tmp_path):
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
    requests = [
        entry["message"] for entry in page.get_log("performance") if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert not [message for message in requests if '"url":"http' in message]


def test_camera_images_have_optional_boxes_and_are_in_the_saved_page(page, recorded_data, serve, tmp_path):
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


def chosen_titles(page):
    script = "[...document.querySelectorAll('.drives li.chosen button')].map((button) => button.textContent.trim())"
    return page.execute_script(f"return {script}")


def test_an_address_without_a_drive_opens_the_worst_drive(page, address, results):
    rows = open_sources([results], None, None)[0].rows()
    scenario = row_of(results).scenario
    worst = min((row for row in rows if row.scenario == scenario), key=lambda row: row.sort_score)
    opened(page, f"{address}#replay?s={scenario}")
    until(page, "window.camberDrawn?.hasMap && document.querySelectorAll('.chart').length > 5")
    assert chosen_titles(page) == [worst.planner]
    assert not page.find_elements(By.CSS_SELECTOR, ".notice")
    until(page, "location.hash.includes(arguments[0])", f"d=results/{worst.key}")


@pytest.mark.parametrize(
    "drive",
    ["results/no_such_planner.nonreactive.0000", "elsewhere/x", "%3Cb%3E%26%20%2523%3F%22%F0%9F%9A%97", "%E0%A4%A"],
)
def test_an_unknown_drive_is_a_sentence_and_the_worst_drive_opens(page, address, results, drive):
    scenario = row_of(results).scenario
    opened(page, f"{address}#replay?s={scenario}&d={drive}")
    until(page, "window.camberDrawn?.hasMap && document.querySelectorAll('.chart').length > 5")
    notice = page.find_element(By.CSS_SELECTOR, ".notice").text
    assert notice.startswith("This scenario has no drive ")
    assert "Its worst drive is open instead." in notice
    assert len(chosen_titles(page)) == 1


def test_an_unknown_drive_beside_a_known_one_is_a_sentence(page, address, results):
    row = row_of(results)
    replaying(page, address, row, ",results/nothing")
    assert "This scenario has no drive results/nothing." in page.find_element(By.CSS_SELECTOR, ".notice").text
    assert chosen_titles(page) == [row.planner]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?s=ffffffffffffffff", "The viewer has no scenario ffffffffffffffff."),
        ("?s=%3Cb%3E%25%E0%A4%A&d=,,%2C", "The viewer has no scenario <b>%"),
        ("", "The address names no scenario."),
    ],
)
def test_an_unknown_scenario_is_a_sentence_with_a_way_to_the_list(page, address, query, sentence):
    opened(page, f"{address}#replay{query}")
    until_text(page, ".empty[role=alert]", sentence)
    page.find_element(By.XPATH, "//button[text()='Open the list of scenarios']").click()
    until(page, "document.querySelectorAll('.row.item').length === 3")


def test_a_time_after_the_end_is_a_sentence_and_the_last_step_is_drawn(page, address, results):
    replaying(page, address, row_of(results), "&t=99.5")
    until_text(page, ".notice", "The drive ends at 14.9 s; the address names 99.5 s.")
    assert seconds(page) == pytest.approx(14.9)


@pytest.mark.parametrize("words", ["&t=-3", "&t=soon", "&zoom=0", "&zoom=1e9&tilt=500&3d=1", "&l=abc%00&x=Infinity"])
def test_numbers_outside_their_range_are_limited(page, address, results, words):
    replaying(page, address, row_of(results), words)
    assert seconds(page) == 0.0
    canvas = page.find_element(By.CSS_SELECTOR, ".stage canvas")
    assert canvas.size["width"] > 100
    assert not page.find_elements(By.CSS_SELECTOR, ".notice")


def test_a_drive_without_a_log_opens_with_its_reason(page, results, serve, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    row = row_of(results)
    (tmp_path / "results" / "logs" / f"{row.key}.simlog").unlink()
    address = serve(open_sources([tmp_path / "results"], None, None))
    opened(page, f"{address}#replay?s={row.scenario}&d=results/{row.key}")
    until_text(page, ".empty.over", "not in the folder logs/")
    assert "Computing" not in page.find_element(By.TAG_NAME, "main").text
    opened(page, f"{address}#replay?s={row.scenario}")
    until(page, "window.camberDrawn?.hasMap")
    assert chosen_titles(page) == ["log_future"]


def test_a_missing_map_or_drive_is_a_sentence_in_the_page(page, results, serve, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    (folder / "run.json").unlink()
    lost = row_of(results)
    (folder / "logs" / f"{lost.key}.simlog").write_bytes(b"camberSL")
    address = serve(open_sources([folder], None, None))
    opened(page, address)
    until_text(page, ".notice", "There is no readable run.json")
    assert until(page, "document.querySelectorAll('.score.broken').length") == 1
    other = row_of(results, "log_future", lost=False)
    opened(page, f"{address}#replay?s={other.scenario}&d=results/{other.key}")
    until(page, "window.camberDrawn?.frames > 0")
    until_text(page, ".notice", "Drawn without a map")


def test_an_empty_folder_is_a_sentence_in_the_page(page, serve, tmp_path):
    opened(page, serve(open_sources([tmp_path], None, None)))
    until_text(page, ".notice.error", "holds no benchmark results")


@pytest.mark.parametrize("name", ["list", "replay", "compare", "dark", "gallery"])
def test_pages_match_their_reference_pictures(page, address, noted_address, results, name, repository, tmp_path):
    row = row_of(results)
    other = row_of(results, "log_future", lost=False)
    other_key = other.key.rsplit(".", 1)[0] + "." + row.scenario
    page.get_log("browser")
    if name == "list":
        opened(page, address)
        until(page, "document.querySelectorAll('.row.item img').length === 3")
    elif name == "gallery":
        opened(page, f"{noted_address}#gallery")
        until(page, "[...document.querySelectorAll('.card img')].filter((image) => image.naturalWidth).length === 2")
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
    correlation = np.corrcoef(found.ravel(), cells(kept).ravel())[0, 1]
    assert correlation > MIN_CORRELATION, f"{name} differs from {kept.name}: {correlation:.3f}"
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def cells_of(element, path):
    path.write_bytes(element.screenshot_as_png)
    return cells(path)


def cells(path):
    return np.asarray(Image.open(path).convert("L").resize(GRID, Image.Resampling.BOX), dtype=float)
