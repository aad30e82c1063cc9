"""`kvsim lab` and `kvsim replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lab(
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="DIR",
            help="Write the site, and all of it as one HTML file, instead of serving it.",
        ),
    ] = None,
    *,
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Port on loopback; 0 takes a free one.")
    ] = 8765,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the first page.")
    ] = True,
    wasm: Annotated[
        Path | None,
        typer.Option("--wasm", metavar="FILE", help="The engine's module, instead of building it."),
    ] = None,
) -> None:
    """Show the lab: predict, lock, see, with the engine in the browser; until Ctrl-C."""
    from kvsim import lab as pages

    if export is None:
        pages.serve(port, open_browser=browser, wasm=wasm)
        return
    for file in pages.export(export, wasm=wasm):
        print(file)


def replay(
    ledger: Annotated[Path, typer.Argument(help="The JSON file that the lab exported.")],
) -> None:
    """Run a lab's ledger again; exit 1 at the first number that is not the same to the bit."""
    from kvsim import lab as pages

    found = pages.replay(ledger)
    if found.difference is not None:
        print(found.difference)
        raise typer.Exit(1)
    print(f"{found.numbers} numbers of {found.runs} runs: the same to the bit")
