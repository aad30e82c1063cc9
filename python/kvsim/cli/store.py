"""`kvsim store ls|merge|check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import kvsim
from kvsim.cli.options import console, number, table

if TYPE_CHECKING:
    from collections.abc import Callable

Folder = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of a store.")]


def commands(guarded: Callable[[Callable[..., None]], Callable[..., None]]) -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(help="Look at, merge and check stores of finished runs.")
    for command in (ls, merge, check):
        group.command(command.__name__)(guarded(command))
    return group


def ls(store: Folder) -> None:
    """List the studies in a store: base scenarios with their runs."""
    found = kvsim.Store(store, create=False)
    headers = ["study", "kvsim", "runs", "parts", "statuses"]
    rows = [
        [
            row["study"], row["kvsim_version"], number(row["runs"]), number(row["parts"]),
            ", ".join(f"{n} {status}" for status, n in row["statuses"].items()),
        ]
        for row in found.ls()
    ]  # fmt: skip
    console().print(table("", headers, rows))
    for file in found.leftovers():
        print(f"unfinished (a writer at work, or killed): {file}")


def merge(
    into: Folder,
    others: Annotated[list[Path], typer.Argument(metavar="OTHER...", help="Stores to take.")],
) -> None:
    """Take the rows of other stores into one (made if need be), which then has a part a study."""
    target = kvsim.Store(into)
    count = target.merge(*(kvsim.Store(path, create=False) for path in others))
    print(f"{into}: {count:,} runs")


def check(store: Folder) -> None:
    """Read every part of a store and recompute the key of every run."""
    found = kvsim.Store(store, create=False)
    print(f"{store}: {found.check():,} runs in {len(found.parts())} parts, all as they should be")
