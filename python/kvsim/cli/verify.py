"""`kvsim verify-vllm`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import kvsim
from kvsim._verify import CaseReport


def verify_vllm(
    folders: Annotated[
        list[Path], typer.Argument(help="Cases, or folders with cases at any depth.")
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what differs.")] = False,
) -> None:
    """Replay recorded runs of vLLM's scheduler and compare every column; exit 1 if one differs."""

    def each(report: CaseReport) -> None:
        if report.ok and not quiet:
            print(
                f"{report.case} ({report.mode}): equal, {report.steps:,} steps, "
                f"{report.entries:,} entries"
            )

    report = kvsim.verify_vllm(folders, each=each)
    for line in report.lines():
        print(line)
    raise typer.Exit(0 if report.ok else 1)
