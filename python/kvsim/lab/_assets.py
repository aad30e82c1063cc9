"""The files of the site: pages, modules, the engine, its catalogue and tables, plotly.js."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kvsim import __version__, _native
from kvsim.datasets import Trace, load
from kvsim.errors import KvsimError

SITE = Path(__file__).parent / "site"
_DATA = Path(__file__).parents[1] / "data"
# Packaged traces that scenarios in a page may name.
DATASETS = ("azure-2023-conversation", "azure-2023-code")
_COLUMNS = (
    "arrival_ns", "prompt_tokens", "output_tokens", "priority", "stop_after", "hash_offset",
    "hash_ids", "hash_block_tokens", "token_offset", "token_ids",
)  # fmt: skip


class LabError(KvsimError):
    """The lab cannot be shown or written; says what is missing."""


def dataset_bytes(trace: Trace) -> bytes:
    r"""Return a trace as hosts without Python hand it to the engine (cpp/wasm/session.hpp).

    Examples
    --------
    >>> dataset_bytes(load("azure-2023-code"))[:16]
    b'arrival_ns 8819\n'
    """
    parts = []
    for name in _COLUMNS:
        column = getattr(trace, name)
        if column is not None:
            values = np.atleast_1d(column).astype("<i8")
            parts += [f"{name} {len(values)}\n".encode(), values.tobytes()]
    return b"".join(parts)


def plotly_js() -> Path:
    """Return where the `plotly` package has its plotly.min.js.

    Raises
    ------
    LabError
        If it is not installed.
    """
    spec = find_spec("plotly")
    found = spec and spec.origin and Path(spec.origin).parent / "package_data" / "plotly.min.js"
    if not found or not found.is_file():
        raise LabError("plotly is missing; install it with: pip install 'kvsim[lab]'")
    return found


def _described(schema: str) -> bytes:
    return json.dumps({"version": __version__, "schema": json.loads(schema)}).encode()


def _packaged(name: str) -> bytes:
    return dataset_bytes(load(name))


@cache
def _compressed(path: Path, modified_ns: int) -> bytes:
    del modified_ns  # a newer file is another entry
    return gzip.compress(path.read_bytes(), 9, mtime=0)


def compressed(path: Path) -> bytes:
    """Return a file as a gzip stream; made once for each state of the file."""
    return _compressed(path, path.stat().st_mtime_ns)


def assets(wasm: Path) -> Mapping[str, Callable[[], bytes]]:
    """Return what reads each file of the site, by its path there; `wasm` is the engine's file."""
    found: dict[str, Callable[[], bytes]] = {
        path.relative_to(SITE).as_posix(): path.read_bytes
        for path in sorted(SITE.rglob("*"))
        if path.is_file() and not path.name.endswith((".d.ts", "tsconfig.json"))
    }
    # As it travels: the page decompresses it, so any static host will do.
    found["kvsim.wasm.gz"] = partial(compressed, wasm)
    for name in ("models", "gpus"):
        found[f"data/{name}.json"] = (_DATA / "catalog" / f"{name}.json").read_bytes
    for name in ("h100-sxm", "h200"):
        found[f"data/{name}.json"] = (_DATA / "step_time" / f"{name}.json").read_bytes
    for name in DATASETS:
        found[f"data/datasets/{name}.bin"] = partial(_packaged, name)
    # Only descriptions in words: the engine in the page has the fields themselves.
    found["data/schema.json"] = partial(_described, _native.schema_json())
    found["vendor/plotly.min.js"] = plotly_js().read_bytes
    return found
