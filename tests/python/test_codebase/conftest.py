"""What the structure tests share: the project's files. They count as `lint` (`make lint`)."""

from pathlib import Path

import pytest

import codebase
from codebase import Source

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lint)


@pytest.fixture(scope="session")
def root() -> Path:
    return codebase.ROOT


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every C++ and Python file of the project."""
    return codebase.sources()


@pytest.fixture(scope="session")
def cpp_sources(sources: list[Source]) -> list[Source]:
    return [source for source in sources if source.path.suffix in {".hpp", ".cpp"}]


@pytest.fixture(scope="session")
def engine(cpp_sources: list[Source]) -> list[Source]:
    """The files of cpp/kvsim."""
    return [source for source in cpp_sources if source.name.startswith("cpp/kvsim/")]


@pytest.fixture(scope="session")
def package(sources: list[Source]) -> list[Source]:
    """The modules of python/kvsim."""
    return [
        source
        for source in sources
        if source.name.startswith("python/kvsim/") and source.path.suffix == ".py"
    ]
