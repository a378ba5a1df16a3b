"""Names, docstrings, comments, messages and pages use the terms of the field; see CONTRIBUTING.md."""

import re
from pathlib import Path

import pytest

FOLDERS = (
    "driving",
    "perception",
    "simulation",
    "planning",
    "distill",
    "scripts",
    "benchmarks",
    "tests",
    "docs",
    "tools",
)
SUFFIXES = {".py", ".md", ".ts", ".tsx", ".j2", ".sh", ".html"}
BUILT = {"node_modules", "dist", "__pycache__"}
AGENT = "ego|agent|vehicle|car|driver|pedestrian|cyclist|planner|student|teacher|user|process|worker"
NOT_USED = {
    "pronouns of persons": rf"who|whom|whoever|({AGENT})s?,? whose|(some|no|any|every)body|(some|any|every)one",
    "perception and speech": r"told|tells|asked|asks|felt|feels|(?<!camera\.)looks? at|looked at|looks like|is said",
    "knowledge and will": rf"({AGENT})s? (knows?|wants?|sees?|thinks?|believes?|remembers?)|is shown to",
    "feelings and guilt": r"fears?|feared|wish(es|ed)?|blam(es?|ed)|careless|innocent",
    "private words": r"astray|abreast|goodbye|pressing|midst|by heart|comes along|goes on|students reached",
}


def words(line: str) -> str:
    """The line with the words of identifiers apart: `_looked_at` and `lookedAt` become "looked at"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line.replace("_", " "))


def unwanted(kind: str, text: str) -> list[tuple[int, str]]:
    """Number of the line and word of each find."""
    pattern = re.compile(rf"(?<![A-Za-z])(?:{NOT_USED[kind]})(?![A-Za-z])", re.IGNORECASE)
    lines = enumerate(text.splitlines(), 1)
    return [(number, match[0]) for number, line in lines for match in pattern.finditer(words(line))]


def texts(repository: Path) -> list[Path]:
    files = [path for folder in FOLDERS for path in (repository / folder).rglob("*") if path.suffix in SUFFIXES]
    files += [*repository.glob("*.md"), repository / "Makefile"]
    return sorted(path for path in files if not BUILT & set(path.parts) and path != Path(__file__))


def test_source_tests_pages_and_the_viewer_are_read(repository):
    read = {str(path.relative_to(repository)) for path in texts(repository)}
    assert read >= {
        "README.md",
        "docs/simulation.md",
        "planning/neural/planner.py",
        "simulation/viewer/web/src/panel.tsx",
        "tests/test_architecture.py",
    }


@pytest.mark.parametrize(
    ("kind", "line", "word"),
    [
        ("pronouns of persons", "agents who yield", "who"),
        ("pronouns of persons", "a planner whose plan is late", "planner whose"),
        ("perception and speech", "self._looked_at = []", "looked at"),
        ("perception and speech", "const lookedAt = 3;", "looked At"),
        ("feelings and guilt", "The ego is blamed.", "blamed"),
        ("knowledge and will", "The planner knows the map.", "planner knows"),
        ("private words", "def astray_m():", "astray"),
    ],
)
def test_unwanted_words_are_found_in_prose_and_identifiers(kind, line, word):
    assert unwanted(kind, f"first line\n{line}") == [(2, word)]


@pytest.mark.parametrize("line", ["Polygons whose bounds touch a cell.", "the whole route", "saved_tasks = 1"])
def test_plain_words_are_accepted(line):
    assert all(unwanted(kind, line) == [] for kind in NOT_USED)


@pytest.mark.parametrize("kind", NOT_USED)
def test_words_that_a_planning_engineer_would_have_to_translate_are_not_used(repository, kind):
    found = [
        f"{path.relative_to(repository)}:{number}: {word}"
        for path in texts(repository)
        for number, word in unwanted(kind, path.read_text(encoding="utf-8"))
    ]
    assert found == []
