"""The linters and formatters, each as a test."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codebase import Source


def run(command: list[str], root: Path) -> None:
    """Run a linter from the root; its output is the failure's message."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def module(name: str) -> list[str]:
    """Return the command that runs a Python tool, or skip where it is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed (pip install -e .[dev])")
    return [sys.executable, "-m", name]


def program(name: str) -> str:
    """Return the path of a program beside this Python or on the PATH, or skip."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (pip install -e .[dev])")
    return found


def test_ruff(root: Path) -> None:
    run([*module("ruff"), "check", "--no-cache", "."], root)


def test_ruff_format(root: Path) -> None:
    run([*module("ruff"), "format", "--no-cache", "--check", "."], root)


def test_mypy(root: Path) -> None:
    run([*module("mypy")], root)


def test_clang_format(root: Path, cpp_sources: list[Source]) -> None:
    command = [program("clang-format"), "--dry-run", *(source.name for source in cpp_sources)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unformatted = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning", done.stderr, re.MULTILINE)))
    assert unformatted == [], "`make format` formats them"


def test_javascript(root: Path) -> None:
    command = [sys.executable, str(root / "tools" / "check_js.py")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
