"""Stores: finished runs on disk, so that nothing is simulated twice and nothing is lost.

A store is a folder with `kvsim-store.json` and `parts/`. A part is a Parquet file, written under
another name and moved into place, whose own name is the hash of its bytes; so it is whole or not
there, and a damaged one is recognised. Its rows have as keys the content hashes of their scenarios
(`kvsim._runs.content_key`). Several sweeps may write to one store at once: they share no file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _native
from kvsim._encode import encode
from kvsim._pandas import frame
from kvsim._runs import SCHEMA_VERSION, Batch, Runs, content_key
from kvsim.design import Codes
from kvsim.errors import ConfigError, StoreError
from kvsim.result import SUMMARY

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MARKER = "kvsim-store.json"
_PART = re.compile(r"part-([0-9a-f]{32})\.parquet")
_TEMPORARY = ".tmp-"
# Rows wait so long, or until they are so many, before they are written: what a kill may cost.
_FLUSH_ROWS = 8192
_FLUSH_S = 2.0
# In the reason of a run that another machine, or this one later, may have the memory for
# (cpp/runner/memory.cpp).
_OF_THIS_MACHINE = "allowed: what fits into memory"
# Columns of texts that equal scenarios have in common.
_TEXTS = ("status", "calibration")


class Store:
    """A folder of finished runs.

    Parameters
    ----------
    path : path
        The folder; made if it does not exist.
    create : bool
        False: fail unless it is a store already.

    Raises
    ------
    StoreError
        If the folder is something else, cannot be written to, is of a newer kvsim, or has a part
        that is damaged or is none of kvsim's. Names the file.

    Examples
    --------
    >>> import tempfile
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 50},
    ... }
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = kvsim.sweep(base, {"seed": [1, 2]}, store=folder.name)
    >>> len(kvsim.Store(folder.name))
    2
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        self._folder = self.path / "parts"
        with _naming(self.path):
            if create:
                self._create()
            self._check_marker()

    def _create(self) -> None:
        marker = self.path / _MARKER
        if marker.exists():
            return
        if self.path.exists() and any(self.path.iterdir()) and not self._folder.is_dir():
            raise StoreError(
                f"{self.path}: no store, but not empty; allowed: a new or empty folder"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": "kvsim-store", "schema_version": SCHEMA_VERSION})
        _write(marker, (text + "\n").encode())

    def _check_marker(self) -> None:
        marker = self.path / _MARKER
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
            version = found["schema_version"] if found["format"] == "kvsim-store" else None
        except FileNotFoundError:
            raise StoreError(f"{self.path}: no kvsim store ({_MARKER} is missing)") from None
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{marker}: damaged, or not kvsim's") from None
        _check_schema(marker, version)

    def parts(self) -> list[Path]:
        """Return the files of rows, in order of name.

        Raises
        ------
        StoreError
            If the folder has a file that is not a part.
        """
        found = []
        for file in sorted(self._folder.iterdir()):
            if _TEMPORARY in file.name:
                continue  # of a writer that is at work, or was killed
            if not _PART.fullmatch(file.name):
                raise StoreError(f"{file}: not a part of a kvsim store; move it elsewhere")
            found.append(file)
        return found

    def leftovers(self) -> list[Path]:
        """Return unfinished files: of writers that are at work, or were killed."""
        return sorted(f for f in self._folder.iterdir() if _TEMPORARY in f.name)

    def tables(self) -> Iterator[tuple[Path, pa.Table]]:
        """Iterate over parts, each read whole and checked.

        Raises
        ------
        StoreError
            If one is damaged, foreign or of a newer schema.
        """
        for file in self.parts():
            # A merge in another process may have replaced it since it was listed.
            with contextlib.suppress(FileNotFoundError):
                yield file, _read(file)

    def table(self) -> pa.Table:
        """Return all rows as one Arrow table, sorted by key, each key once.

        Columns: key (32 bytes), point (JSON: what it sets), base (JSON), datasets (JSON),
        kvsim_version, status, reason, calibration, warnings, figures.

        Raises
        ------
        StoreError
            If a part is damaged, or two have different rows of one key.
        """
        return _merged([_explicit(table) for _, table in self.tables()])

    def __len__(self) -> int:
        """Return the number of different runs."""
        return len({key for _, t in self.tables() for key in t.column("key").to_pylist()})

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a pandas DataFrame: what points set, status, figures and so on.

        Values that several bases have in common are not in it; `table` has them.

        Raises
        ------
        PandasMissingError
            If pandas is not installed.
        """
        table = self.table()
        points = frame([json.loads(p) for p in table.column("point").to_pylist()])
        rest = table.drop_columns(["key", "point", "base", "datasets", "warnings"]).to_pandas()
        return points.join(rest)

    def ls(self) -> list[dict[str, Any]]:
        """Return a row a study (base and kvsim version): name, version, runs, statuses, parts."""
        studies: dict[tuple[str, str], dict[str, Any]] = {}
        for _, table in self.tables():
            about = _about(table)
            base = about["base"]
            name = hashlib.sha256(base.encode()).hexdigest()[:12]
            study = studies.setdefault(
                (base, about["kvsim_version"]),
                {"study": name, "kvsim_version": about["kvsim_version"], "parts": 0, "keys": {}},
            )
            study["parts"] += 1
            statuses = table.column("status").to_pylist()
            study["keys"].update(zip(table.column("key").to_pylist(), statuses, strict=True))
        out = []
        for study in studies.values():
            keys = study.pop("keys")
            out.append({**study, "runs": len(keys), "statuses": dict(Counter(keys.values()))})
        return out

    def check(self) -> int:
        """Read every part, recompute every key from base and point; return the number of runs.

        Raises
        ------
        StoreError
            At the first part or row that is not what it should be.
        """
        seen: set[bytes] = set()
        for file, table in self.tables():
            about = _about(table)
            if about["kvsim_version"] != _native.__version__:
                seen.update(table.column("key").to_pylist())
                continue  # its keys contain another version; its bytes are checked
            points = [json.loads(p) for p in table.column("point").to_pylist()]
            for key, point in zip(table.column("key").to_pylist(), points, strict=True):
                text = _canonical(about["base"], point)
                if content_key(text, json.loads(about["datasets"])) != key:
                    raise StoreError(f"{file}: the key of {point} is not that of its scenario")
                seen.add(key)
        _ = self.table()  # fails if rows of one key differ
        return len(seen)

    def merge(self, *others: Store) -> int:
        """Take the rows of other stores into this one and write each study as one sorted part.

        Returns
        -------
        int
            The number of different runs afterwards.

        Raises
        ------
        StoreError
            If a part is damaged, or two rows of one key differ.
        """
        old = self.parts()
        groups: dict[str, list[pa.Table]] = {}
        for store in (self, *others):
            for _, table in store.tables():
                about = json.dumps(_about(table), sort_keys=True)
                groups.setdefault(about, []).append(table)
        merged = [_merged(tables) for tables in groups.values()]
        _merged([_explicit(t) for t in merged])  # fails before anything is written
        new = {self._write_table(table) for table in merged}
        for file in old:
            if file not in new:
                file.unlink(missing_ok=True)
        return len(self)

    # ---- writing

    def probe(self) -> None:
        """Fail unless files can be written, before anything is simulated for nothing.

        Raises
        ------
        StoreError
            If the folder is read-only or the disk full.
        """
        with _naming(self.path):
            _write(self._folder / "probe", b"kvsim", keep=False)

    def _write_table(self, table: pa.Table) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="zstd", compression_level=1,
            use_dictionary=["status", "reason", "calibration"], write_statistics=False,
        )  # fmt: skip
        data = sink.getvalue().to_pybytes()
        file = self._folder / f"part-{_digest(data)}.parquet"
        with _naming(self.path):
            _write(file, data)
        return file


class Writer:
    """Gathers a sweep's finished runs and writes them to a store, part by part."""

    def __init__(self, store: Store, runs: Runs) -> None:
        store.probe()
        self._store = store
        self._runs = runs
        self._keys: list[bytes] | None = None
        self._waiting: list[Batch] = []
        self._num_waiting = 0
        self._flushed_s = time.monotonic()

    def known(self) -> tuple[Codes, Batch]:
        """Return the runs that are not in the store yet, and those that are, read from it."""
        none = Batch(
            np.empty(0, np.int64),
            np.empty(0, np.uint8),
            np.empty(0, np.uint8),
            np.empty((0, len(SUMMARY)), np.float64),
        )
        everything = np.arange(len(self._runs))
        tables = list(self._store.tables())
        if not tables:
            self._runs.native.note_canonical()
            return everything, none
        self._keys = self._runs.keys(everything)
        rows_of: dict[bytes, list[int]] = {}
        for i, key in enumerate(self._keys):
            rows_of.setdefault(key, []).append(i)
        found = [batch for _, t in tables if (batch := _found(t, rows_of)) is not None]
        if not found:
            return everything, none
        have = _joined(found)
        return np.setdiff1d(everything, have.index), have

    def add(self, batch: Batch) -> None:
        """Take finished runs; write if many wait, or for long."""
        batch = _lasting(batch)
        self._waiting.append(batch)
        self._num_waiting += len(batch)
        late = time.monotonic() - self._flushed_s >= _FLUSH_S
        if late or self._num_waiting >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        StoreError
            If the disk is full or read-only. What was written before is whole.
        """
        if self._num_waiting:
            self._store._write_table(self._table(_joined(self._waiting)))
        self._waiting, self._num_waiting = [], 0
        self._flushed_s = time.monotonic()

    def _table(self, batch: Batch) -> pa.Table:
        import pyarrow as pa

        runs = self._runs
        rows = batch.index.astype(np.intp)
        known = self._keys
        keys = runs.keys(rows) if known is None else [known[i] for i in rows.tolist()]
        statuses, calibrations = _native.status_names(), _native.calibration_names()
        points = [encode(point, {}, "axes") for point in runs.design.points(rows)]
        columns: dict[str, Any] = {
            "key": pa.array(keys, pa.binary(32)),
            "point": pa.array(points, pa.string()),
            "status": pa.array([statuses[code] for code in batch.status.tolist()], pa.string()),
            "calibration": pa.array(
                [calibrations[code] for code in batch.calibration.tolist()], pa.string()
            ),
            "reason": pa.array([batch.reasons.get(i, "") for i in rows.tolist()], pa.string()),
            "warnings": pa.array(
                [batch.warnings.get(i, []) for i in rows.tolist()], pa.list_(pa.string())
            ),
        }
        columns |= {
            name: pa.array(np.ascontiguousarray(batch.figures[:, f]), pa.float64())
            for f, name in enumerate(SUMMARY)
        }
        about = {
            "format": "kvsim-part",
            "schema_version": str(SCHEMA_VERSION),
            "kvsim_version": _native.__version__,
            "base": runs.scenario_json,
            "datasets": json.dumps(runs.hashes, sort_keys=True),
        }
        return pa.table(columns, metadata=about)


# ---- files


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn the system's errors into a store's, which name the folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror or error}") from error


def _write(file: Path, data: bytes, *, keep: bool = True) -> None:
    """Write a file so that under its name it is whole or not there, also after a power cut."""
    temporary = file.with_name(f"{file.name}{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if not keep:
            temporary.unlink()
            return
        temporary.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _read(file: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = file.read_bytes()
    match = _PART.fullmatch(file.name)
    if match is None or _digest(data) != match[1]:
        raise StoreError(f"{file}: damaged (its bytes are not those that its name is the hash of)")
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{file}: not readable as Parquet ({error})") from None
    about = _about(table)
    if about.get("format") != "kvsim-part":
        raise StoreError(f"{file}: not written by kvsim")
    _check_schema(file, int(about["schema_version"]))
    needed = ("key", "point", "status", "calibration", *SUMMARY)
    if missing := [n for n in needed if n not in table.column_names]:
        raise StoreError(f"{file}: has no column {missing[0]!r}")
    return table


def _check_schema(file: Path, version: Any) -> None:
    if not isinstance(version, int) or version < 1:
        raise StoreError(f"{file}: got schema_version {version!r}; allowed: 1 to {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{file}: schema_version {version}, written by a newer kvsim; this one reads up to "
            f"{SCHEMA_VERSION}"
        )


# ---- rows


def _about(table: pa.Table) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}


def _explicit(table: pa.Table) -> pa.Table:
    """Return a part's rows with what holds for all of them as columns too."""
    import pyarrow as pa

    about = _about(table)
    out = table.replace_schema_metadata(None)
    for name in ("kvsim_version", "datasets", "base"):
        column = pa.array([about[name]] * len(table), pa.string())
        out = out.add_column(2, name, column)
    return out


def _merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Return rows sorted by key, each key once."""
    import pyarrow as pa

    listed = list(tables)
    if not listed:
        empty: pa.Table = pa.table({"key": pa.array([], pa.binary(32))})
        return empty
    table: pa.Table = pa.concat_tables(listed).sort_by("key")
    keys = table.column("key").to_pylist()
    first = [i for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    if len(first) < len(keys):
        twins = np.setdiff1d(np.arange(len(keys)), first)
        for name in (*_TEXTS, *SUMMARY):
            column = table.column(name)
            text = name in _TEXTS
            values = np.asarray(column.to_pylist()) if text else column.to_numpy()
            if not np.array_equal(values[twins], values[twins - 1], equal_nan=not text):
                raise StoreError(f"two rows of one key have different {name}; allowed: equal rows")
    out: pa.Table = table.take(pa.array(first))
    return out


def _found(table: pa.Table, rows_of: Mapping[bytes, list[int]]) -> Batch | None:
    """Return the rows of a part that a sweep asks for, numbered as its runs."""
    keys = table.column("key").to_pylist()
    pairs = [(i, row) for i, key in enumerate(keys) for row in rows_of.get(key, ())]
    if not pairs:
        return None
    at = np.array([i for i, _ in pairs])
    names = (_native.status_names(), _native.calibration_names())
    status, calibration = (
        np.array([known.index(text) for text in table.column(name).to_pylist()], np.uint8)[at]
        for name, known in zip(_TEXTS, names, strict=True)
    )
    reason = table.column("reason").to_pylist()
    warnings = table.column("warnings").to_pylist()
    figures = np.stack([table.column(name).to_numpy()[at] for name in SUMMARY], axis=1)
    return Batch(
        np.array([row for _, row in pairs], dtype=np.int64),
        status,
        calibration,
        figures,
        {row: reason[i] for i, row in pairs if reason[i]},
        {row: warnings[i] for i, row in pairs if warnings[i]},
    )


def _lasting(batch: Batch) -> Batch:
    """Return the runs without those that only this machine's memory does not suffice for."""
    refused = [i for i, text in batch.reasons.items() if _OF_THIS_MACHINE in text]
    if not refused:
        return batch
    keep = ~np.isin(batch.index, refused)
    return Batch(
        batch.index[keep],
        batch.status[keep],
        batch.calibration[keep],
        batch.figures[keep],
        {i: text for i, text in batch.reasons.items() if i not in refused},
        batch.warnings,
        batch.seconds,
    )


def _joined(batches: list[Batch]) -> Batch:
    """Return several batches as one, each run once."""
    index = np.concatenate([b.index for b in batches])
    _, first = np.unique(index, return_index=True)
    return Batch(
        index[first],
        np.concatenate([b.status for b in batches])[first],
        np.concatenate([b.calibration for b in batches])[first],
        np.concatenate([b.figures for b in batches])[first],
        {i: text for b in batches for i, text in b.reasons.items()},
        {i: texts for b in batches for i, texts in b.warnings.items()},
    )


def _canonical(base: str, point: Mapping[str, Any]) -> bytes:
    """Return the canonical scenario of a point, as `Runs.keys` has it."""
    from kvsim.design import points

    return Runs(base, points([point])).native.canonical(0, 1)[0]


def as_store(store: Any) -> Store | None:
    """Return what a call's `store` stands for: None, a `Store`, or a folder."""
    if store is None or isinstance(store, Store):
        return store
    if isinstance(store, str | os.PathLike):
        return Store(store)
    raise ConfigError(f"store: got a {type(store).__name__}; allowed: a folder or a kvsim.Store")
