"""The looks of the parts that latencies and memory consist of."""

from __future__ import annotations

from typing import Any

# Colour, hatching: neighbours differ in lightness, and the hatching tells them apart in grey.
_LOOKS: dict[str, tuple[str, str]] = {
    "gateway": ("#F2E6CC", ".."),
    "dispatch": ("#B8A99A", ""),
    "network": ("#F2D98C", "//"),
    "frontend": ("#D9D9D9", ""),
    "queue": ("#8C8C8C", "//"),
    "host": ("#CC79A7", ""),
    "compute": ("#0072B2", ""),
    "hbm": ("#56B4E9", "\\\\"),
    "comm": ("#E69F00", ""),
    "bubble": ("#FFFFFF", "xx"),
    "preempted": ("#009E73", "//"),
    "redo": ("#D55E00", ".."),
    "weights": ("#0072B2", ""),
    "draft weights": ("#CC79A7", ".."),
    "activations": ("#E69F00", "//"),
    "graphs and NCCL": ("#8C8C8C", ""),
    "KV cache": ("#56B4E9", "\\\\"),
    "free": ("#FFFFFF", ""),
}
NAMES = {
    "frontend": "front end",
    "hbm": "HBM",
    "comm": "communication",
    "redo": "redone work",
}


def look(part: str) -> dict[str, Any]:
    """Return the arguments that a bar of this part has."""
    colour, hatch = _LOOKS[part]
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "#4D4D4D", "linewidth": 0.6}


def name(part: str) -> str:
    """Return a part as a reader knows it."""
    return NAMES.get(part, part)


def ink(part: str) -> str:
    """Return the colour of text on a bar of this part."""
    return "#FFFFFF" if part in ("compute", "weights", "redo", "preempted") else "#000000"
