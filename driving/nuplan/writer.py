"""Recordings and scenarios as nuPlan data, which the official devkit opens, queries and simulates.

    write_world(recordings, Path("worlds/my_town"))        # 10 Hz drives: maps, logs, camera images
    write_scenarios(scenarios, Path("worlds/selection"))   # scenarios, put together log by log

    OUT/maps/nuplan-maps-v1.0.json
    OUT/maps/<name>/<version>/map.gpkg
    OUT/nuplan-v1.1/splits/mini/<log name>.db
    OUT/nuplan-v1.1/sensor_blobs/<log name>/<camera>/<token>.jpg

A folder that holds a world already is extended. Equal input gives equal bytes.

What comes back when such a world is read: the recorded frames with their poses, boxes (in order), lights, routes,
goals, tokens and types. Tracks keep an id of 16 lower-case hex digits; other ids become a hash. Rows of map layers
are in the order of their ids. A scenario starts where its type says: 3 s before the tagged frame for nuPlan's own
types, at the frame for others.
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
"""What to do with camera images whose files exist: copy them, link to them, or only name them in the log."""


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

    The devkit lists every tagged frame. To simulate one in closed loop it needs at least one frame before the first,
    so a tag 3.1 s after the start or later, and 12 s behind it; in open loop 20 s behind it.

    Args:
        recordings: At 10 Hz. Those on one map share the map object, or hold equal ones.
        output: The data root. A log of the same name in it is replaced.
        split: Folder of the logs below `nuplan-v1.1/splits`.
        fill_locations: Put a map without roads at each of nuPlan's four official locations that is absent. The devkit
            opens no data root without them; this project does.
        images: What to do with camera images.
        on_log_written: Told the name of each log, for progress.

    Returns:
        The log files, in the order of the recordings.

    Raises:
        ValueError: When a recording or map cannot be stored, two logs share a name, or different maps share one.
            Everything is checked before anything is written.
        OSError: When the folder may not be written to.
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
    """Write scenarios as a nuPlan data root: one log for each log name, with what its scenarios cover.

    Scenarios of one log name are put together by their time stamps. Where they leave parts of the drive out, the log
    pauses. Arguments, return value and errors are those of `write_world`.

    Raises:
        ValueError: Also when scenarios of one log name contradict each other.
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
        path: The `.db` file. nuPlan takes the log's name from it, so that it should be called like the recording.
        sensor_root: The `sensor_blobs` folder to put camera images into; left out, the log only names them.
        images: What to do with camera images.

    Raises:
        ValueError: When a log file cannot hold the recording.
        OSError: When the folder may not be written to.
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
        raise ValueError("There is nothing to write: no recording was given.")
    names = [recording.log_name for recording in recordings]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"Logs need different names, several are called {double[0]}.")
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
    """Each map once. That equal names mean equal maps is seen when the second one is written."""
    maps: list[MapGraph] = []
    for recording in recordings:
        if not any(recording.map is known for known in maps):
            maps.append(recording.map)
    versions: dict[str, str] = {}
    for map_graph in maps:
        if versions.setdefault(map_graph.name, map_graph.version) != map_graph.version:
            raise ValueError(
                f"Map {map_graph.name} comes in versions {versions[map_graph.name]} and {map_graph.version}, but a"
                " data root holds one version of a name. Give one of the maps another name."
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
    pictures = image_rows(
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
            # The file is nobody's yet: if writing fails it is deleted, so that no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            fill_log(connection, recording, keys, scenes, pictures)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise OSError(f"Cannot write {path}: {error}. Is the disk full?") from error
        finally:
            connection.close()
    if pictures is not None and sensor_root is not None and images != "none":
        _place_images(pictures, name, sensor_root, images)


def _place_images(pictures: ImageRows, log_name: str, sensor_root: Path, images: ImageMode) -> None:
    for image in range(len(pictures.image_tokens)):
        source, target = pictures.source(image), sensor_root / pictures.file_name(log_name, image)
        # A log may name images of blobs that were never downloaded.
        if not source.is_file() or (target.is_file() and target.samefile(source)):
            continue
        with replacing(target) as temporary:
            if images == "copy":
                shutil.copyfile(source, temporary)
            else:
                temporary.unlink()
                temporary.symlink_to(source.resolve())
