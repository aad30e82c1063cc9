"""Runs scenarios on each platform that the engine is built for; all of these tests are `full`."""

import shutil
from pathlib import Path

import pytest

from hosts import Module, Run, program, run_program

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.full)


@pytest.fixture(scope="session")
def wasm_module() -> Module:
    return Module()


@pytest.fixture
def native(tmp_path: Path) -> Run:
    command = str(program("standalone/kvsim-standalone", "standalone"))
    return lambda scenario, traces: run_program([command], scenario, traces, tmp_path)


@pytest.fixture(params=["wasm", "aarch64"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run on a platform that is not this machine's."""
    if request.param == "wasm":
        module: Module = request.getfixturevalue("wasm_module")
        return module.run
    qemu = shutil.which("qemu-aarch64")
    assert qemu, "qemu-aarch64 is missing (Debian: apt-get install qemu-user)"
    command = str(program("aarch64/kvsim-standalone", "aarch64"))
    return lambda scenario, traces: run_program([qemu, command], scenario, traces, tmp_path)
