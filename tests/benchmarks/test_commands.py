import re


def test_benchmarks_find_the_modules_of_scripts(repository):
    """A benchmark runs from any folder: it adds `scripts` to the path before it imports a module of it."""
    names = "|".join(path.stem for path in (repository / "scripts").glob("*.py"))
    imports = re.compile(rf"^(?:from|import) (?:{names})\b", re.MULTILINE)
    own = {path.stem for path in (repository / "benchmarks").glob("*.py")}
    wrong = []
    for path in sorted((repository / "benchmarks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        found = next((one for one in imports.finditer(text) if one[0].split()[1] not in own), None)
        if found is not None and "sys.path.insert" not in text[: found.start()]:
            wrong.append(path.name)
    assert wrong == []
