"""Rules for files as such: length, licence, version, words that mark unfinished work."""

import re
import tomllib
from pathlib import Path

import kvsim
from check_generated import GENERATED
from codebase import Source

MAX_LINES = 600
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")


def test_files_are_short(sources: list[Source]) -> None:
    generated = {path for _, path in GENERATED}
    long = {
        source.name: lines
        for source in sources
        if (lines := source.text.count("\n")) > MAX_LINES and source.name not in generated
    }
    assert long == {}


def test_nothing_is_marked_unfinished(sources: list[Source]) -> None:
    own = Path(__file__).name
    wrong = [
        f"{source.name}:{number}: {line.strip()}"
        for source in sources
        if source.path.name != own
        for number, line in enumerate(source.text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert wrong == []


def test_version_is_the_same_everywhere(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"] == kvsim.__version__


def test_licence(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    text = (root / "LICENSE").read_text()
    assert project["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_folder_of_the_engine_is_in_the_architecture_page(root: Path) -> None:
    page = (root / "docs" / "architecture.md").read_text()
    folders = [path.name for path in (root / "cpp" / "kvsim").iterdir() if path.is_dir()]
    assert [name for name in folders if f"{name}/" not in page] == []
