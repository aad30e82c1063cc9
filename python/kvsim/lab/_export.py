"""The lab as files: a static site, and one HTML file that holds everything."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from kvsim.lab._assets import LabError, assets
from kvsim.lab._engine import engine

SINGLE = "kvsim-lab.html"
_WORKER = "engine-worker.js"
# `from "./x.js"`, `import "./x.js"`, `import("./x.js")`.
_IMPORT = re.compile(r'(?P<before>\bfrom\s*|\bimport\s*\(?\s*)"(?P<name>\.{1,2}/[^"]+\.js)"')
_LINK = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*\bhref="(?P<name>[^"]+)"[^>]*>')
_SCRIPT = re.compile(r'<script\b[^>]*\btype="module"[^>]*\bsrc="(?P<name>[^"]+)"[^>]*>\s*</script>')


def export(
    folder: str | os.PathLike[str], *, wasm: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Write the lab as a static site, and as one self-contained HTML file in the same folder.

    Parameters
    ----------
    folder : path
        Where to; files of the same names are replaced, others stay.
    wasm : path, optional
        The engine's module, if not the one that belongs to these sources.

    Returns
    -------
    list of Path
        The site's first page and the single file.

    Raises
    ------
    LabError
        If the engine or plotly.js is missing; says how to get it.

    Examples
    --------
    >>> export("out/lab")  # doctest: +SKIP
    [PosixPath('out/lab/index.html'), PosixPath('out/lab/kvsim-lab.html')]
    """
    files = {name: read() for name, read in assets(engine(wasm)).items()}
    target = Path(folder)
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    single = target / SINGLE
    single.write_text(single_page(files), encoding="utf-8")
    return [target / "index.html", single]


def single_page(files: Mapping[str, bytes], page: str = "index.html") -> str:
    """Return a page with everything that it loads inside it.

    Modules become `data:` addresses in an import map, with names in place of relative paths; a
    browser takes them from a file too. All else lies compressed in the page, where `assets.js`
    finds it.
    """
    if page not in files:
        raise LabError(f"page: got {page!r}, which the site does not have")
    text = files[page].decode()
    modules = {
        name: files[name].decode()
        for name in files
        if name.endswith(".js") and name != _WORKER and not name.startswith("vendor/")
    }
    text = _LINK.sub(lambda m: f"<style>\n{files[m['name']].decode()}</style>", text)
    scripts = [_normal("", m["name"]) for m in _SCRIPT.finditer(text)]
    text = _SCRIPT.sub("", text)
    imports = {_bare(name): _data_url(renamed(name, code)) for name, code in modules.items()}
    held = [
        f'<script type="application/gzip" id="asset:{html.escape(name)}">'
        f"{_packed(name, content)}</script>"
        for name, content in files.items()
        if name not in modules and name != page and not name.endswith((".css", ".html"))
    ]
    head = f'<script type="importmap">{json.dumps({"imports": imports})}</script>\n'
    tail = "\n".join(
        [*held, *(f'<script type="module">import "{_bare(name)}";</script>' for name in scripts)]
    )
    return _before(_before(text, "</head>", head), "</body>", tail + "\n")


def _before(text: str, mark: str, inserted: str) -> str:
    head, sign, rest = text.partition(mark)
    if not sign:
        raise LabError(f"page: has no {mark}")
    return head + inserted + sign + rest


def _normal(folder: str, name: str) -> str:
    return os.path.normpath(str(PurePosixPath(folder) / name)).replace(os.sep, "/")


def _bare(name: str) -> str:
    return f"kvsim-lab/{name}"


def renamed(name: str, code: str) -> str:
    """Return a module's code with relative imports as names, `kvsim-lab/...`, that stand anywhere.

    Examples
    --------
    >>> renamed("parts/a.js", 'import { x } from "../b.js";')
    'import { x } from "kvsim-lab/b.js";'
    """
    folder = str(PurePosixPath(name).parent)
    replace: Callable[[re.Match[str]], str] = lambda m: (  # noqa: E731
        f'{m["before"]}"{_bare(_normal(folder, m["name"]))}"'
    )
    return _IMPORT.sub(replace, code)


def _data_url(code: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(code.encode()).decode()


def _packed(name: str, content: bytes) -> str:
    stream = content if name.endswith(".gz") else gzip.compress(content, mtime=0)
    return base64.b64encode(stream).decode()
