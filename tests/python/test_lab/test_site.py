"""The site as a server hands it out and as files."""

import base64
import gzip
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kvsim.lab import LabError, Server, dataset_bytes, export
from kvsim.lab._export import single_page

MODULE = b"\0asm\1\0\0\0"  # an empty one: nothing here runs it


@pytest.fixture
def wasm(tmp_path: Path) -> Path:
    path = tmp_path / "kvsim.wasm"
    path.write_bytes(MODULE)
    return path


def fetch(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url) as response:
        return response.headers["Content-Type"], response.read()


def test_server_hands_out_the_site_and_nothing_else(wasm: Path) -> None:
    with Server(0, wasm=wasm) as server:
        assert server.url.startswith("http://127.0.0.1:")
        kind, engine = fetch(server.url + "kvsim.wasm.gz")
        assert (kind, gzip.decompress(engine)) == ("application/gzip", MODULE)
        assert fetch(server.url + "engine.js")[0].startswith("text/javascript")
        models = json.loads(fetch(server.url + "data/models.json")[1])
        assert "llama-3-70b" in str(models)
        for path in ("none.js", "../_server.py", "%2e%2e/_server.py", "/etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetch(server.url + path)


def test_a_port_in_use_is_named_with_a_remedy(wasm: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=rf"port: {port} is in use.*--port N.*--port 0"):
            Server(port, wasm=wasm)
        done = subprocess.run(
            [sys.executable, "-m", "kvsim", "lab", "--no-browser", "--port", str(port),
             "--wasm", str(wasm)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"port: {port} is in use" in done.stderr


@pytest.mark.parametrize("port", [-1, 70000, True, "80"])
def test_a_port_that_is_none_is_refused(wasm: Path, port: int) -> None:
    with pytest.raises(LabError, match="allowed: 0 to 65535"):
        Server(port, wasm=wasm)


def test_a_file_that_is_no_engine_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.wasm"
    with pytest.raises(LabError, match=r"(?i)no such file"):
        Server(0, wasm=other)
    other.write_text("text")
    with pytest.raises(LabError, match="no WebAssembly module"):
        Server(0, wasm=other)


def test_single_page_holds_modules_styles_and_data() -> None:
    files = {
        "index.html": b'<html><head><link rel="stylesheet" href="a/x.css"></head>'
        b'<body><script type="module" src="main.js"></script></body></html>',
        "a/x.css": b"p { color: red }",
        "main.js": b'import { y } from "./a/y.js";\nimport "./z.js";',
        "a/y.js": b'export { z as y } from "../z.js";',
        "z.js": b"export const z = 1;",
        "engine-worker.js": b"// started from a blob",
        "data/models.json": b"{}",
        "vendor/plotly.min.js": b"</script>",
    }
    text = single_page(files)
    assert "src=" not in text
    assert "p { color: red }" in text
    assert 'import "kvsim-lab/main.js";' in text
    assert set(json.loads(text.split('importmap">')[1].split("</script>")[0])["imports"]) == {
        "kvsim-lab/main.js", "kvsim-lab/a/y.js", "kvsim-lab/z.js",
    }  # fmt: skip
    for name in ("engine-worker.js", "data/models.json", "vendor/plotly.min.js"):
        assert f'id="asset:{name}"' in text
    assert text.count("</script>") == text.count("<script")


def test_export_writes_every_file(wasm: Path, tmp_path: Path) -> None:
    first, single = export(tmp_path / "out", wasm=wasm)
    assert first.is_file()
    assert single.is_file()
    engine = (tmp_path / "out" / "kvsim.wasm.gz").read_bytes()
    assert gzip.decompress(engine) == MODULE
    assert base64.b64encode(engine).decode() in single.read_text()  # not compressed twice
    assert (tmp_path / "out" / "vendor" / "plotly.min.js").stat().st_size > 10**6
    assert json.loads((tmp_path / "out" / "data" / "schema.json").read_text())["schema"]["structs"]


def test_dataset_bytes_are_whole_columns() -> None:
    from kvsim.datasets import load

    trace = load("azure-2023-code")
    data = dataset_bytes(trace)
    head, _, rest = data.partition(b"\n")
    assert head == f"arrival_ns {len(trace)}".encode()
    assert int.from_bytes(rest[8:16], "little") == trace.arrival_ns[1]
