import re


def test_documentation_and_code_name_the_same_quirks(repository):
    code = {
        name
        for package in ("simulation", "planning")
        for path in (repository / package).rglob("*.py")
        for name in re.findall(r"quirk: (\w+)", path.read_text())
    }
    table = (repository / "docs" / "simulation.md").read_text().split("## Quirks")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == code
