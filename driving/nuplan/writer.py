"""Recordings and scenarios as nuPlan data, which the official devkit opens, queries and simulates.

    write_world(recordings, Path("worlds/my_town"))        # 10 Hz drives: maps, logs, camera images
    write_scenarios(scenarios, Path("worlds/selection"))   # scenarios, merged by log

    OUT/maps/nuplan-maps-v1.0.json
    OUT/maps/<name>/<version>/map.gpkg
    OUT/nuplan-v1.1/splits/mini/<log name>.db
    OUT/nuplan-v1.1/sensor_blobs/<log name>/<camera>/<token>.jpg

An existing world is extended. Equal input gives equal bytes.

Reading such a world gives the recorded frames with their poses, boxes (in order), lights, routes, goals, tokens and
types. Tracks keep an id of 16 lower-case hex digits; other ids become a hash. Rows of map layers
are in the order of their ids. A scenario starts where its type says: 3 s before the tagged frame for nuPlan's own
types, at the frame for other types.
"""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from driving.map import MapGraph
from driving.nuplan.cache import replacing
from driving.nuplan.log_images import ImageRows, image_rows
from driving.nuplan.log_rate import at_log_rate
from driving.nuplan.log_scenes import scene_rows
from driving.nuplan.log_tables import fill_log, log_keys, tokens
from driving.nuplan.map_writer import opened_from, write_map, write_official_placeholders
from driving.nuplan.merging import merged_recordings
from driving.nuplan.writable import check_log, check_map
from driving.recording import Recording
from driving.scenario import Scenario

ImageMode = Literal["copy", "link", "none"]
"""Existing camera images are copied, linked, or only named in the log."""


def write_world(
    recordings: Sequence[Recording],
    output: Path,
    split: str = "mini",
    *,
    fill_locations: bool = True,
    images: ImageMode = "copy",
    on_log_written: Callable[[str], None] = lambda log_name: None,
) -> list[Path]:
    """Write recordings and their maps as a nuPlan data root, or add them to one.

    The devkit lists every tagged frame. For closed-loop simulation it needs one frame before the scenario, so a tag
    at 3.1 s or later, and 12 s after the tag; for open loop 20 s after the tag.

    Args:
        recordings: At 10 Hz. Recordings on one map share the map object or have equal maps.
        output: The data root. An existing log of the same name is replaced.
        split: Folder of the logs below `nuplan-v1.1/splits`.
        fill_locations: Write a map without roads for each absent one of nuPlan's four official locations. The devkit
            opens no data root without them; this project does.
        images: Treatment of camera images.
        on_log_written: Called with the name of each log, for progress.

    Returns:
        The log files, in the order of the recordings.

    Raises:
        ValueError: When a recording or map cannot be stored, or two logs or two different maps have the same name.
            Everything is checked before anything is written.
        OSError: When the folder is not writable.
    """
    return _write(
        [at_log_rate(_checked(recording)) for recording in recordings],
        output,
        split,
        fill_locations=fill_locations,
        images=images,
        on_log_written=on_log_written,
    )


def write_scenarios(
    scenarios: Sequence[Scenario],
    output: Path,
    split: str = "mini",
    *,
    fill_locations: bool = True,
    images: ImageMode = "copy",
    on_log_written: Callable[[str], None] = lambda log_name: None,
) -> list[Path]:
    """Write scenarios as a nuPlan data root: one log for each log name, as far as its scenarios cover it.

    Scenarios of one log name are merged by their time stamps; between them the log pauses. Arguments, return value
    and errors are those of `write_world`.

    Raises:
        ValueError: Also when scenarios of one log name differ at the same time.
    """
    recordings = merged_recordings(scenarios)
    for recording in recordings:
        check_log(recording)
    return _write(
        recordings, output, split, fill_locations=fill_locations, images=images, on_log_written=on_log_written
    )


def write_log(
    recording: Recording, path: Path, *, sensor_root: Path | None = None, images: ImageMode = "copy"
) -> None:
    """Write one recording as a log file.

    Args:
        recording: At 10 Hz.
        path: The `.db` file. Its name is nuPlan's log name and should be that of the recording.
        sensor_root: The `sensor_blobs` folder for camera images; without it the log only names them.
        images: Treatment of camera images.

    Raises:
        ValueError: When a log file cannot store the recording.
        OSError: When the folder is not writable.
    """
    _write_log(at_log_rate(_checked(recording)), path, sensor_root, images)


def _checked(recording: Recording) -> Recording:
    check_log(recording)
    return recording


def _write(
    recordings: list[Recording],
    output: Path,
    split: str,
    *,
    fill_locations: bool,
    images: ImageMode,
    on_log_written: Callable[[str], None],
) -> list[Path]:
    if not recordings:
        raise ValueError("No recording was given; there is nothing to write.")
    names = [recording.log_name for recording in recordings]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"Logs need different names, several have the name {double[0]}.")
    for recording in recordings:
        log_keys(recording)
    maps = _maps_of(recordings)
    for map_graph in maps:
        if opened_from(map_graph) is None:
            check_map(map_graph)
    _check_folder(output)
    maps_root, base = output / "maps", output / "nuplan-v1.1"
    for map_graph in maps:
        write_map(map_graph, maps_root)
    if fill_locations:
        write_official_placeholders(maps_root)
    paths = []
    for recording in recordings:
        path = base / "splits" / split / f"{recording.log_name}.db"
        _write_log(recording, path, base / "sensor_blobs", images)
        on_log_written(recording.log_name)
        paths.append(path)
    return paths


def _maps_of(recordings: list[Recording]) -> list[MapGraph]:
    """Each map once. Different maps of one name are refused when the second one is written."""
    maps: list[MapGraph] = []
    for recording in recordings:
        if not any(recording.map is known for known in maps):
            maps.append(recording.map)
    versions: dict[str, str] = {}
    for map_graph in maps:
        if versions.setdefault(map_graph.name, map_graph.version) != map_graph.version:
            raise ValueError(
                f"Map {map_graph.name} has versions {versions[map_graph.name]} and {map_graph.version}, but a"
                " data root has one version of a name. Give one of the maps another name."
            )
    return maps


def _check_folder(output: Path) -> None:
    for folder in (output, *output.parents):
        if folder.is_dir():
            return
        if folder.exists():
            raise NotADirectoryError(f"Cannot write to {output}: {folder} is a file. Choose another folder.")


def _write_log(recording: Recording, path: Path, sensor_root: Path | None, images: ImageMode) -> None:
    name, count = recording.log_name, len(recording.time_us)
    keys = log_keys(recording)
    cameras = recording.cameras
    num_cameras, num_images = (0, 0) if cameras is None else (len(cameras.rig.names), len(cameras.time_us))
    image_table = image_rows(
        recording,
        tokens(name, "camera", num_cameras),
        tokens(name, "image", num_images),
        tokens(name, "view", num_images),
    )
    missions = len(recording.missions)
    scenes = scene_rows(
        recording, tokens(name, "scene", missions + 9), tokens(name, "goal", missions), keys.ego_poses
    )
    assert sum(scene.stop - scene.start for scene in scenes) == count
    _check_folder(path.parent)
    with replacing(path) as temporary:
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            # If writing fails the temporary file is deleted: no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            fill_log(connection, recording, keys, scenes, image_table)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise OSError(f"Cannot write {path}: {error}. Is the disk full?") from error
        finally:
            connection.close()
    if image_table is not None and sensor_root is not None and images != "none":
        _place_images(image_table, name, sensor_root, images)


def _place_images(image_table: ImageRows, log_name: str, sensor_root: Path, images: ImageMode) -> None:
    for image in range(len(image_table.image_tokens)):
        source, target = image_table.source(image), sensor_root / image_table.file_name(log_name, image)
        # A log may name images that were not downloaded.
        if not source.is_file() or (target.is_file() and target.samefile(source)):
            continue
        with replacing(target) as temporary:
            if images == "copy":
                shutil.copyfile(source, temporary)
            else:
                temporary.unlink()
                temporary.symlink_to(source.resolve())
