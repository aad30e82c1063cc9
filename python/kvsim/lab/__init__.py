"""The lab: pages in which the engine answers every slider, as a site or as one HTML file.

`serve` shows it on this machine, `export` writes it (`kvsim lab` does both); `replay` runs an
exported ledger again. The pages and the instruments are plain ES modules in `site/`.
"""

from __future__ import annotations

from kvsim.lab._assets import LabError, dataset_bytes
from kvsim.lab._export import export
from kvsim.lab._replay import Difference, LedgerError, Replay, replay
from kvsim.lab._server import Server, serve

__all__ = [
    "Difference",
    "LabError",
    "LedgerError",
    "Replay",
    "Server",
    "dataset_bytes",
    "export",
    "replay",
    "serve",
]
