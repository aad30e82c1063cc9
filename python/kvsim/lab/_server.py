"""The lab on this machine: a server on loopback that only hands out the site's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from kvsim.lab._assets import LabError, assets
from kvsim.lab._engine import engine

DEFAULT_PORT = 8765
_TYPES = {
    ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".json": "application/json",
    ".svg": "image/svg+xml", ".gz": "application/gzip",
}  # fmt: skip


class Server:
    """The site, served on loopback; use it in a `with` block or call `run`.

    Parameters
    ----------
    port : int
        Port; 0 takes a free one.
    wasm : path, optional
        The engine's module, if not the one that belongs to these sources.
    more : mapping, optional
        Files beside the site's, by path.

    Raises
    ------
    LabError
        If the port is in use or not allowed, or something is missing.
    """

    def __init__(
        self,
        port: int = DEFAULT_PORT,
        *,
        wasm: str | os.PathLike[str] | None = None,
        more: Mapping[str, Callable[[], bytes]] | None = None,
    ) -> None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise LabError(f"port: got {port!r}; allowed: 0 to 65535")
        files = {**assets(engine(wasm)), **(more or {})}
        try:
            self._http = _Http(("127.0.0.1", port), _handler(files))
        except PermissionError:
            raise LabError(f"port: got {port}, which only root may take; try --port 0") from None
        except OSError:
            raise LabError(
                f"port: {port} is in use (perhaps by another lab); choose another with --port N, "
                "or any free one with --port 0"
            ) from None

    @property
    def url(self) -> str:
        """Address of the first page."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/"

    def run(self) -> None:
        """Serve until `close` is called or Ctrl-C."""
        self._http.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop, if `run` runs in another thread; give the port back."""
        self._http.server_close()

    def stop(self) -> None:
        """Make `run` return."""
        self._http.shutdown()

    def __enter__(self) -> Server:
        """Serve from another thread until the end of the block."""
        from threading import Thread

        self._thread = Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop and give the port back."""
        self.stop()
        self._thread.join()
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    # On Linux a port that another process listens at is refused all the same.
    allow_reuse_address = os.name == "posix"


def serve(
    port: int = DEFAULT_PORT,
    *,
    open_browser: bool = True,
    wasm: str | os.PathLike[str] | None = None,
) -> None:
    """Serve the lab on loopback until Ctrl-C.

    Parameters
    ----------
    port : int
        Port; 0 takes a free one.
    open_browser : bool
        Whether to open the first page.
    wasm : path, optional
        The engine's module, if not the one that belongs to these sources.

    Raises
    ------
    LabError
        If the port is in use, or something is missing.

    Examples
    --------
    >>> serve(port=0, open_browser=False)  # doctest: +SKIP
    the lab is at http://127.0.0.1:41235/ (Ctrl-C ends it)
    """
    server = Server(port, wasm=wasm)
    print(f"the lab is at {server.url} (Ctrl-C ends it)", flush=True)
    if open_browser:
        import webbrowser

        webbrowser.open(server.url)
    try:
        server.run()
    finally:
        server.close()


def _handler(files: Mapping[str, Callable[[], bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
            read = files.get(name)
            content = b"there is no such file\n" if read is None else read()
            self.send_response(404 if read is None else 200)
            kind = "text/plain" if read is None else _TYPES.get(PurePosixPath(name).suffix)
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-cache")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 (the base class's name)

        def log_message(self, *args: Any) -> None:
            """Say nothing: requests are no news."""

    return Handler
