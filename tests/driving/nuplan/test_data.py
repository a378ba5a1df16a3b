import shutil

import pytest

from driving.nuplan.data import DataRoot


def test_logs_are_found_in_splits_in_the_order_of_their_names(data_root, log_file):
    shutil.copy(log_file, log_file.with_name("2021.01.01.log.db"))
    assert [path.name for path in DataRoot.find(data_root).log_files] == ["2021.01.01.log.db", log_file.name]


def test_what_a_killed_writer_leaves_is_no_log(data_root, log_file):
    log_file.with_name(".2021.01.01.log.db.x1y2.db").write_bytes(b"half")
    assert [path.name for path in DataRoot.find(data_root).log_files] == [log_file.name]


def test_the_layout_without_splits_works(data_root, log_file):
    shutil.move(log_file.parent, data_root / "nuplan-v1.1" / "trainval")
    shutil.rmtree(data_root / "nuplan-v1.1" / "splits")
    found = DataRoot.find(data_root)
    assert [path.parent.name for path in found.log_files] == ["trainval"]
    assert found.sensor_root == data_root / "nuplan-v1.1" / "sensor_blobs"


def test_a_log_in_two_splits_is_listed_once(data_root, log_file):
    shutil.copytree(log_file.parent, log_file.parent.with_name("trainval"))
    assert [path.parent.name for path in DataRoot.find(data_root).log_files] == ["mini"]


def test_a_folder_of_logs_finds_the_maps_above_it(data_root, log_file):
    assert DataRoot.find(log_file.parent).maps_root == data_root / "maps"
    assert DataRoot.find(log_file).log_files == (log_file,)


def test_maps_may_be_in_another_folder(data_root, tmp_path_factory, log_file):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(data_root / "maps", elsewhere / "maps")
    with pytest.raises(FileNotFoundError, match=r"No maps inside, next to or above .* --maps"):
        DataRoot.find(log_file.parent)
    assert DataRoot.find(log_file.parent, elsewhere / "maps").maps_root == elsewhere / "maps"


def test_missing_logs_and_maps_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No data at .*nowhere"):
        DataRoot.find(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"No logs in .*expected nuplan-v1\.1"):
        DataRoot.find(tmp_path)


def test_a_maps_folder_without_a_map_is_refused(data_root, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No map in .*empty"):
        DataRoot.find(data_root, tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"No maps folder .*absent"):
        DataRoot.find(data_root, tmp_path / "absent")
