import re


def test_every_quirk_of_the_code_is_explained_and_the_other_way_round(repository):
    code = {
        name
        for package in ("simulation", "planning")
        for path in (repository / package).rglob("*.py")
        for name in re.findall(r"quirk: (\w+)", path.read_text())
    }
    table = (repository / "docs" / "simulation.md").read_text().split("## Quirks")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == code
