"""Presets of network links, for a fleet's `uplink` and `downlink`, with their sources.

Latencies are one way. A preset is a mapping: take a copy and change what you know better.

Examples
--------
>>> from kvsim import links
>>> sorted(links.PRESETS)
['5g', 'data-centre', 'lan', 'wifi-6-mesh']
>>> links.preset("wifi-6-mesh", message_bytes=40_000)["message_bytes"]
40000
"""

from __future__ import annotations

import copy
from typing import Any

from kvsim._names import nearest
from kvsim.errors import ConfigError

__all__ = ["PRESETS", "SOURCES", "preset"]

PRESETS: dict[str, dict[str, Any]] = {
    "data-centre": {
        "alpha_ms": 0.025,
        "jitter": {"kind": "lognormal", "cv": 0.3},
        "bytes_per_s": 12.5e9,
    },
    "lan": {
        "alpha_ms": 0.15,
        "jitter": {"kind": "lognormal", "cv": 0.5},
        "bytes_per_s": 125e6,
        "shared": True,
    },
    "wifi-6-mesh": {
        "alpha_ms": 2.0,
        "jitter": {"kind": "lognormal", "cv": 0.8},
        "channel": {"good_s": 2.0, "bad_s": 0.1, "bad_factor": 8.0},
        "bytes_per_s": 75e6,
        "shared": True,
    },
    "5g": {
        "alpha_ms": 6.0,
        "jitter": {"kind": "gamma", "cv": 0.4},
        "bytes_per_s": 12.5e6,
    },
}

SOURCES: dict[str, str] = {
    "data-centre": (
        "100 Gbit/s Ethernet; round trips within a region of some 50 us, Guo et al., Pingmesh, "
        "SIGCOMM 2015 (order of magnitude of its median); jitter assumed"
    ),
    "lan": "1 Gbit/s Ethernet, half a round trip of .3 ms; latency and jitter assumed",
    "wifi-6-mesh": (
        "802.11ax, 600 Mbit/s of goodput over two hops, 2 ms each way; bursts as the two-state "
        "channel of Gilbert (1960) and Elliott (1963); all figures assumed"
    ),
    "5g": "sub-6 GHz, 100 Mbit/s uplink, 6 ms one way; all figures assumed",
}


def preset(name: str, **changes: Any) -> dict[str, Any]:
    """Return a preset's link with some fields changed.

    Parameters
    ----------
    name : str
        Key of `PRESETS`.
    **changes
        Fields of `Link`.

    Raises
    ------
    ConfigError
        If there is no preset of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"name: got {name!r}{nearest(name, PRESETS)}")
    return copy.deepcopy(PRESETS[name]) | changes
