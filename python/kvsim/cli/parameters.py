"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

Scenario = Annotated[
    str, typer.Argument(help="Scenario as JSON (fields: kvsim fields); - is standard input.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Deadline = Annotated[
    float | None, typer.Option("--deadline", metavar="S", help="Stop after so many seconds.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="Worker threads; default: all cores.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Confidence = Annotated[float, typer.Option("--confidence", metavar="X", help="Between 0 and 1.")]
