"""The modules of the instruments as one, which a notebook loads without a server of ours."""

from __future__ import annotations

import base64
import functools
import gzip
import json

from kvsim import __version__
from kvsim.lab._assets import SITE, plotly_js
from kvsim.lab._export import renamed

_MODULES = (
    "assets.js", "instruments/plotly.js", "instruments/frame.js", "instruments/frontier.js",
    "instruments/waterfall.js", "instruments/heatmap.js", "notebook.js",
)  # fmt: skip
# Modules become blobs whose imports are other blobs. All widgets of a page share them.
_LOADER = """
const MODULES = %(modules)s;
const PLOTLY = "%(plotly)s";
const urls = new Map();

function url(name) {
  if (!urls.has(name)) {
    const code = MODULES[name].replace(/"kvsim-lab\\/([^"]+)"/g,
      (whole, other) => (other in MODULES ? `"${url(other)}"` : whole)); // a type's has no module
    urls.set(name, URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  }
  return urls.get(name);
}

async function start() {
  const { inflate, provideAssets } = await import(url("assets.js"));
  provideAssets(() => inflate(PLOTLY));
  return import(url("notebook.js"));
}

export default {
  async render(place) {
    globalThis["%(key)s"] ??= start();
    const notebook = await globalThis["%(key)s"];
    return notebook.render("%(kind)s", place);
  },
};
"""


@functools.cache
def _parts() -> dict[str, str]:
    modules = {name: renamed(name, (SITE / name).read_text(encoding="utf-8")) for name in _MODULES}
    packed = gzip.compress(plotly_js().read_bytes(), mtime=0)
    return {
        "modules": json.dumps(modules),
        "plotly": base64.b64encode(packed).decode(),
        "key": f"kvsim-instruments-{__version__}",
    }


def module(kind: str) -> str:
    """Return the text of an ES module as anywidget takes it, for one kind of instrument."""
    return _LOADER % {**_parts(), "kind": kind}


def style() -> str:
    """Return the instruments' style sheet."""
    return (SITE / "instruments" / "instruments.css").read_text(encoding="utf-8")
