"""Stores: finished runs on disk, so that nothing is simulated twice and nothing is lost.

A store is a folder with `kvsim-store.json` and `parts/`. A part is a Parquet file, written under
another name and moved into place, whose own name is the hash of its bytes; so it is whole or not
there, and a damaged one is recognised. Its rows have as keys the content hashes of their scenarios
(`kvsim._runs.Runs.keys`). Several sweeps may write to one store at once: they share no file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _native
from kvsim._pandas import frame
from kvsim._runs import SCHEMA_VERSION, Runs
from kvsim._store_rows import about_of, as_bytes, explicit, merged
from kvsim.errors import ConfigError, StoreError
from kvsim.result import SUMMARY

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MARKER = "kvsim-store.json"
_PART = re.compile(r"part-([0-9a-f]{32})\.parquet")
_TEMPORARY = ".tmp-"


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
        return merged([explicit(table) for _, table in self.tables()])

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
            about = about_of(table)
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
            about = about_of(table)
            if about["kvsim_version"] != _native.__version__:
                seen.update(table.column("key").to_pylist())
                continue  # its keys contain another version; its bytes are checked
            points = [json.loads(p) for p in table.column("point").to_pylist()]
            right = _keys(about["base"], points, json.loads(about["datasets"]))
            for key, point, expected in zip(
                table.column("key").to_pylist(), points, right, strict=True
            ):
                if expected != key:
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
                about = json.dumps(about_of(table), sort_keys=True)
                groups.setdefault(about, []).append(table)
        studies = [merged(tables) for tables in groups.values()]
        merged([explicit(study) for study in studies])  # fails before anything is written
        new = {self.write(study) for study in studies}
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

    def write(self, table: pa.Table) -> Path:
        """Write rows as a part; return its file.

        Raises
        ------
        StoreError
            If the disk is full or the folder read-only.
        """
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
    about = about_of(table)
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


def _keys(base: str, listed: list[dict[str, Any]], hashes: dict[str, str]) -> list[bytes]:
    """Return the keys of a base's points."""
    from kvsim.design import points

    runs = Runs(base, points(listed))
    runs.note_keys(hashes)
    return as_bytes(runs.keys(np.arange(len(runs))))


def as_store(store: Any) -> Store | None:
    """Return what a call's `store` stands for: None, a `Store`, or a folder."""
    if store is None or isinstance(store, Store):
        return store
    if isinstance(store, str | os.PathLike):
        return Store(store)
    raise ConfigError(f"store: got a {type(store).__name__}; allowed: a folder or a kvsim.Store")
