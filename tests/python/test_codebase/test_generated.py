"""Each generated file is what its generator prints now."""

import importlib.util

import pytest

from check_generated import GENERATED, difference


@pytest.mark.parametrize(("command", "path"), GENERATED, ids=[path for _, path in GENERATED])
def test_generated_file_is_up_to_date(command: list[str], path: str) -> None:
    if importlib.util.find_spec("pybind11_stubgen") is None:
        pytest.skip("pybind11-stubgen is not installed (pip install -e .[dev])")
    assert difference(command, path) == "", f"{path} is out of date; run `make stubs`"
