"""The engine without Python: kvsim.wasm and kvsim-standalone, run on a scenario."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kvsim.datasets import Trace
from kvsim.lab import dataset_bytes

ROOT = Path(__file__).parents[2]
BUILD = ROOT / os.environ.get("KVSIM_BUILD", "build")
DATA = ROOT / "python" / "kvsim" / "data"
# What the engine is told before a scenario: the export of kvsim.wasm, the option of
# kvsim-standalone, the file.
INPUTS = [
    ("kvsim_add_models", "--models", DATA / "catalog" / "models.json"),
    ("kvsim_add_gpus", "--gpus", DATA / "catalog" / "gpus.json"),
    ("kvsim_add_step_tables", "--step-tables", DATA / "step_time" / "h100-sxm.json"),
]
Run = Callable[[str, Mapping[str, Trace]], str]


class EngineError(Exception):
    """What the engine refused: its kind and message."""


def program(path: str, target: str) -> Path:
    """Return the path of a program that `make target` builds."""
    found = BUILD / path
    assert found.exists(), f"{found} is missing: make {target}"
    return found


def run_program(
    command: list[str], scenario: str, traces: Mapping[str, Trace], folder: Path
) -> str:
    for number, (name, trace) in enumerate(traces.items()):
        file = folder / f"{number}.columns"
        file.write_bytes(dataset_bytes(trace))
        command += ["--dataset", f"{name}={file}"]
    for _, option, path in INPUTS:
        command += [option, str(path)]
    done = subprocess.run(
        [*command, "-"], input=scenario, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EngineError(done.stderr.strip())
    return done.stdout.removesuffix("\n")


class Module:
    """kvsim.wasm under wasmtime."""

    KINDS = ("config", "infeasible", "livelock", "invariant", "deadline", "cancelled")

    def __init__(self) -> None:
        import wasmtime

        self.wasmtime: Any = wasmtime
        self.engine = wasmtime.Engine()
        path = program("wasm/kvsim.wasm", "wasm")
        self.module = wasmtime.Module.from_file(self.engine, str(path))

    def run(self, scenario: str, traces: Mapping[str, Trace]) -> str:
        """Run a scenario in a new instance."""
        wasmtime = self.wasmtime
        store = wasmtime.Store(self.engine)
        store.set_wasi(wasmtime.WasiConfig())
        linker = wasmtime.Linker(self.engine)
        linker.define_wasi()
        error: list[str] = []
        i32 = wasmtime.ValType.i32()

        def host_error(kind: int, address: int, size: int) -> None:
            text = memory.read(store, address, address + size).decode()
            error.append(f"{self.KINDS[kind]}: {text}")

        signature = wasmtime.FuncType([i32, i32, i32], [])
        linker.define_func("env", "kvsim_host_error", signature, host_error)
        exports = linker.instantiate(store, self.module).exports(store)
        memory = exports["memory"]
        exports["_initialize"](store)

        def put(data: bytes) -> tuple[int, int]:
            address = exports["kvsim_alloc"](store, len(data))
            memory.write(store, data, address)
            return address, len(data)

        def call(name: str, *texts: bytes) -> None:
            places = [put(text) for text in texts]
            exports[name](store, *(number for place in places for number in place))
            for address, _ in places:
                exports["kvsim_free"](store, address)

        try:
            for export, _, path in INPUTS:
                call(export, path.read_bytes())
            for name, trace in traces.items():
                call("kvsim_add_dataset", name.encode(), dataset_bytes(trace))
            call("kvsim_simulate", scenario.encode())
        except wasmtime.Trap:
            if not error:
                raise
            raise EngineError(error[0]) from None
        start, size = exports["kvsim_output"](store), exports["kvsim_output_size"](store)
        return bytes(memory.read(store, start, start + size)).decode()
