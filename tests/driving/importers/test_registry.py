import pytest

from driving.importers.registry import IMPORTERS, importer_of


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_each_format_has_its_importer(name):
    assert importer_of(name) is IMPORTERS[name]
    assert IMPORTERS[name].title


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_an_empty_folder_is_refused(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="No "):
        IMPORTERS[name].find(tmp_path)


def test_an_unknown_format_raises_an_error_with_the_nearest_one():
    with pytest.raises(KeyError, match=r"No importer for 'argoverse'. Did you mean 'argoverse2'"):
        importer_of("argoverse")
