"""Print requirements that pyproject.toml names, one a line.

    python tools/requirements.py build runtime dev

`build` is what a build without isolation needs, `runtime` the package's dependencies, any other
word an optional dependency group.
"""

import sys
import tomllib
from pathlib import Path


def requirements(groups: list[str]) -> list[str]:
    """Return the requirements of the named groups, in order."""
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    known: dict[str, list[str]] = {
        # CMake and Ninja as wheels: the build then needs neither on the machine.
        "build": [*pyproject["build-system"]["requires"], "cmake>=3.24", "ninja>=1.10"],
        "runtime": pyproject["project"]["dependencies"],
        **pyproject["project"]["optional-dependencies"],
    }
    if unknown := [group for group in groups if group not in known]:
        sys.exit(f"unknown group {unknown[0]!r}; there are: {', '.join(known)}")
    return [requirement for group in groups for requirement in known[group]]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
