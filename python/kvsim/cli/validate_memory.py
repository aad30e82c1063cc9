"""`kvsim validate memory`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kvsim.cli.parameters import AsJson
from kvsim.errors import ConfigError


def memory(
    *,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Simulations of each.")] = 3,
    as_json: AsJson = False,
) -> None:
    """KV memory against closed forms and the vLLM paper's figure 2; exit 1 if a figure is off."""
    from kvsim.validate.memory import validate_memory

    if seeds < 2:
        raise ConfigError(f"--seeds: got {seeds}; allowed: 2 or more")
    score = validate_memory(range(seeds))
    if as_json:
        print(json.dumps(score.to_dict(), indent=2, allow_nan=False))
    else:
        for line in score.lines():
            print(line)
    raise typer.Exit(0 if score.ok else 1)
