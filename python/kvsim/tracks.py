"""Four ready scenarios, each with a crisis, remedies, an objective and one picture.

A track is data: what is simulated before and after each remedy, and where every parameter is from.
What the remedies give is what the simulation gives, also where that is less than hoped for.

Examples
--------
>>> from kvsim import tracks
>>> track = tracks.edge_guardian()
>>> [v.name for v in track.variants]
['as it is', 'hedged after 5 ms', 'tied copies', '9 of 10 suffice']
>>> rows = track.run(num_requests=2000)
>>> rows[0].late > rows[1].late
True
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import links
from kvsim._simulate import simulate
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from kvsim.result import Result

__all__ = [
    "TRACKS",
    "Row",
    "Track",
    "Variant",
    "cloud_titan",
    "edge_guardian",
    "mobile_nomad",
    "tiny_pioneer",
]


@dataclass(frozen=True)
class Variant:
    """A name and the scenario under it; the first one of a track is the crisis."""

    name: str
    scenario: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """What a variant gave.

    Attributes
    ----------
    name : str
        The variant's.
    figures : mapping
        The track's own figures by label.
    late : float
        Share of the requests beyond the objective.
    kept : bool
        Whether the objective is kept.
    result : Result
        The run.
    """

    name: str
    figures: Mapping[str, float]
    late: float
    kept: bool
    result: Result


@dataclass(frozen=True)
class Track:
    """A persona's problem as scenarios.

    Attributes
    ----------
    name, title, crisis, objective : str
        In words.
    variants : tuple of Variant
        The crisis, then the remedies.
    limit_ms : float
        The limit of the objective.
    allowed_late : float
        Share of requests that may be beyond it.
    limit_mw : float or None
        Limit of the power, if there is one.
    parameters : mapping
        Name to value and source; "assumed" where there is none.
    """

    name: str
    title: str
    crisis: str
    objective: str
    variants: tuple[Variant, ...]
    limit_ms: float
    allowed_late: float
    parameters: Mapping[str, str]
    column: str = "e2e_ns"
    limit_mw: float | None = None
    figures: Callable[[Result, float], dict[str, float]] | None = None

    def run(self, *, num_requests: int | None = None, seed: int = 0) -> list[Row]:
        """Simulate every variant.

        Parameters
        ----------
        num_requests : int, optional
            Instead of each variant's own number.
        seed : int
            Variants share arrivals and service times of equal seed.

        Raises
        ------
        ConfigError
            If num_requests is below 1.
        """
        if num_requests is not None and num_requests < 1:
            raise ConfigError(f"num_requests: got {num_requests}; allowed: 1 or more")
        rows = []
        for variant in self.variants:
            scenario = {**variant.scenario, "seed": seed}
            if num_requests is not None:
                scenario["workload"] = {**scenario["workload"], "num_requests": num_requests}
            result = simulate(scenario)
            # Who was rejected or lost is late.
            late_ones = result.requests[self.column] > self.limit_ms * 1e6
            late_ones = late_ones | (result.requests.get("outcome", np.zeros(1)) != 0)
            late = float(np.mean(late_ones))
            power = result.summary["mean_power_mw"]
            kept = late <= self.allowed_late
            if self.limit_mw is not None:
                kept = kept and power is not None and power < self.limit_mw
            rows.append(
                Row(
                    variant.name,
                    (self.figures or _latencies)(result, self.limit_ms),
                    late,
                    kept,
                    result,
                )
            )
        return rows

    def table(self, rows: list[Row]) -> str:
        """Return crisis, objective and figures as text."""
        labels = list(rows[0].figures)
        width = max(len(r.name) for r in rows)
        head = "  ".join(f"{label:>{max(len(label), 9)}}" for label in labels)
        lines = [
            self.title,
            f"Crisis: {self.crisis}",
            f"Objective: {self.objective}",
            "",
            f"{'':<{width}}  {head}  {'late':>9}  objective",
        ]
        for row in rows:
            cells = "  ".join(f"{row.figures[label]:>{max(len(label), 9)}.4g}" for label in labels)
            verdict = "kept" if row.kept else "missed"
            lines.append(f"{row.name:<{width}}  {cells}  {100 * row.late:>8.3f}%  {verdict}")
        lines += ["", "Parameters and their sources:"]
        lines += [f"  {name}: {source}" for name, source in self.parameters.items()]
        return "\n".join(lines)

    def draw(self, rows: list[Row], folder: Path) -> list[Path]:
        """Draw the track's picture into a folder; return the files."""
        from kvsim import plots

        results = {row.name: row.result for row in rows}
        title = f"{self.title}: before and after"
        if self.limit_mw is not None:
            points = {row.name: (row.figures["P99 ms"], row.figures["power mW"]) for row in rows}
            ax = plots.seesaw(points, self.limit_ms, self.limit_mw, title=title)
        else:
            ax = plots.tail(
                results, self.column, limit_ms=self.limit_ms, allowed=self.allowed_late,
                title=title,
            )  # fmt: skip
        return plots.save(ax, folder / self.name)


def _latencies(result: Result, limit_ms: float) -> dict[str, float]:
    del limit_ms
    s = result.summary
    figures = {
        "mean ms": s["mean_e2el_ms"],
        "P99 ms": s["p99_e2el_ms"],
        "P99.9 ms": s["p99.9_e2el_ms"],
    }
    return figures | {"extra work %": s["extra_work_percent"] or 0.0}


def _one_shot(rate_per_s: float, num_requests: int, fleet: dict[str, Any]) -> dict[str, Any]:
    return {
        "workload": {
            "arrivals": {"kind": "deterministic", "rate_per_s": rate_per_s},
            "num_requests": num_requests,
        },
        "fleet": fleet,
    }


# ---- Cloud Titan


def _serving(result: Result, limit_ms: float) -> dict[str, float]:
    del limit_ms
    s = result.summary
    blocks = result.kv_budget.usable_blocks
    tokens = result.kv_budget.usable_tokens
    used = s["mean_kv_use"] * blocks / max(1, blocks)
    return {
        "P99 TTFT ms": s["p99_ttft_ms"],
        "P99 TPOT ms": s["p99_tpot_ms"],
        "running": s["mean_running"],
        "most running": float(s["max_running"]),
        "KV in use %": 100 * used,
        "KV tokens": float(tokens),
    }


def cloud_titan() -> Track:
    """Return the LLM architect's track: the KV-cache wall.

    Without paging every request reserves memory for the longest context, so few run at a time
    though most of what they reserved is empty. That is the same as a limit on running requests of
    KV tokens / longest context, which is how it is simulated; paged blocks need no such limit.
    """
    longest = 8192
    base: dict[str, Any] = {
        "model": "llama-3-70b",
        "gpu": "h100-sxm",
        "tensor_parallel_size": 4,
        "step_time": {"kind": "kernels"},
        "workload": {
            "arrivals": {"kind": "poisson", "rate_per_s": 6.0},
            "lengths": {"kind": "dataset", "name": "azure-2023-conversation",
                        "order": "resample"},
            "num_requests": 8000,
        },
        "slo": {"ttft_ms": 1000},
    }  # fmt: skip
    engine = {"max_model_len": longest, "max_num_batched_tokens": 8192}
    probe = {**base, "engine": engine, "workload": {**base["workload"], "num_requests": 1}}
    tokens = simulate(probe).kv_budget.usable_tokens
    slots = max(1, tokens // longest)
    fp8 = {**base, "weight_dtype": "fp8"}
    return Track(
        name="cloud_titan",
        title="Cloud Titan: Llama-3-70B on 4 H100",
        crisis=(
            f"contiguous KV caches of {longest} tokens: {slots} requests at a time fill the memory"
        ),
        objective="time to first token of 1 s for 99 % of the requests",
        variants=(
            Variant(
                f"contiguous, {slots} slots",
                {**base, "engine": {**engine, "max_num_seqs": slots}},
            ),
            Variant("paged", {**base, "engine": {**engine, "max_num_seqs": 256}}),
            Variant("paged, FP8 weights", {**fp8, "engine": {**engine, "max_num_seqs": 256}}),
        ),
        limit_ms=1000,
        allowed_late=0.01,
        column="ttft_ns",
        figures=_serving,
        parameters={
            "lengths": "Azure 2023 conversation trace (docs/datasets.md), drawn with replacement",
            "longest context": f"{longest} tokens, what a slot reserves: Llama 3's own",
            "arrivals": "Poisson, 6 requests/s: assumed",
            "step times": "measured tables for H100 (docs/step_time.md)",
            "objective": "assumed",
        },
    )


# ---- Edge Guardian


def edge_guardian() -> Track:
    """Return the autonomous vehicle's track: the tail of a fan-out to ten sub-models."""
    server = {"kind": "one_shot", "s0_ms": 3.5, "jitter": {"kind": "lognormal", "cv": 0.35}}
    fleet: dict[str, Any] = {
        "num_servers": 20,
        "server": server,
        "fan_out": {"parts": 10, "placement": "sharded"},
    }

    def with_(**changes: Any) -> dict[str, Any]:
        return _one_shot(100, 200_000, {**fleet, **changes})

    hedge = {"kind": "delay", "delay_ms": 5.0, "cancel": "at_finish"}
    tied = {"kind": "delay", "delay_ms": 0.0, "cancel": "at_start"}
    return Track(
        name="edge_guardian",
        title="Edge Guardian: a perception loop over 10 sub-models",
        crisis="the slowest of ten parallel answers decides, and one of them is often slow",
        objective="10 ms for 99.9 % of the loops",
        variants=(
            Variant("as it is", with_()),
            Variant("hedged after 5 ms", with_(hedge=hedge)),
            Variant("tied copies", with_(hedge=tied)),
            Variant("9 of 10 suffice", with_(fan_out={**fleet["fan_out"], "quorum": 9})),
        ),
        limit_ms=10,
        allowed_late=0.001,
        parameters={
            "loop": "one every 10 ms: the objective as a period",
            "sub-models": "10, each on 2 accelerators: the first from the lab plan, 2 assumed",
            "service": "3.5 ms, log-normal with cv .35: assumed",
            "hedging": "Dean and Barroso, The tail at scale, CACM 56 (2013); delay near P90",
        },
    )


# ---- Mobile Nomad


def longest_stutter(late: np.ndarray) -> int:
    """Return the longest run of late frames.

    Examples
    --------
    >>> longest_stutter(np.array([True, False, True, True, False]))
    2
    """
    padded = np.concatenate([[False], late, [False]]).astype(int)
    edges = np.flatnonzero(np.diff(padded))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _frames(result: Result, limit_ms: float) -> dict[str, float]:
    late = result.requests["e2e_ns"] > limit_ms * 1e6
    s = result.summary
    return {
        "P50 ms": s["p50_e2el_ms"],
        "P99 ms": s["p99_e2el_ms"],
        "network ms": s["mean_network_ms"],
        "longest stutter": float(longest_stutter(late)),
    }


def mobile_nomad() -> Track:
    """Return the AR glasses' track: frames that are offloaded over a WiFi mesh."""
    frame_ms = 1000 / 60
    mesh = links.preset("wifi-6-mesh", message_bytes=20_000)
    back = links.preset("wifi-6-mesh", message_bytes=4_000)
    steady = {k: v for k, v in mesh.items() if k != "channel"}
    steady_back = {k: v for k, v in back.items() if k != "channel"}
    five = links.preset("5g", message_bytes=20_000)
    fleet: dict[str, Any] = {
        "num_servers": 3,
        "server": {"kind": "one_shot", "s0_ms": 4.0, "jitter": {"kind": "gamma", "cv": 0.25}},
        "router": {"kind": "least_outstanding"},
        "uplink": mesh,
        "downlink": back,
    }

    def with_(**changes: Any) -> dict[str, Any]:
        return _one_shot(60, 36_000, {**fleet, **changes})

    hedge = {"kind": "delay", "delay_ms": 8.0, "cancel": "at_finish"}
    return Track(
        name="mobile_nomad",
        title="Mobile Nomad: AR at 60 frames per second, offloaded",
        crisis="the start-up latency of the WiFi mesh varies, and is bad in bursts",
        objective="16.7 ms a frame for 99 % of the frames",
        variants=(
            Variant("WiFi-6 mesh", with_()),
            Variant("hedged after 8 ms", with_(hedge=hedge)),
            Variant("mesh without bursts", with_(uplink=steady, downlink=steady_back)),
            Variant("5G instead", with_(uplink=five, downlink=links.preset("5g"))),
        ),
        limit_ms=frame_ms,
        allowed_late=0.01,
        figures=_frames,
        parameters={
            "frames": "60 per second, 20 kB up (coded image and pose) and 4 kB back: assumed",
            "server": "4 ms a frame, gamma with cv .25, three edge nodes: assumed",
            "mesh": links.SOURCES["wifi-6-mesh"],
            "5G": links.SOURCES["5g"],
            "objective": "one frame at 60 per second; 99 % assumed",
        },
    )


# ---- Tiny Pioneer


def _power(result: Result, limit_ms: float) -> dict[str, float]:
    del limit_ms
    s = result.summary
    return {
        "P99 ms": s["p99_e2el_ms"],
        "power mW": s["mean_power_mw"],
        "mJ a frame": s["energy_per_request_mj"],
        "frames a packet": s["mean_batch"],
    }


def tiny_pioneer() -> Track:
    """Return the hearable's track: packets cost energy, and waiting for more of them is an echo."""
    power = {"idle_mw": 0.15, "e0_mj": 0.0002, "e1_mj": 0.0003, "radio_mj": 0.002}
    server = {"kind": "one_shot", "max_batch": 64, "s0_ms": 0.3, "s1_ms": 0.05}

    def window(ms: float) -> dict[str, Any]:
        fleet: dict[str, Any] = {"server": server, "power": power}
        # What is released together is one packet, so it stays together.
        fleet["uplink"] = fleet["downlink"] = {"alpha_ms": 0.5}
        if ms > 0:
            fleet["gateway"] = {"batch": 1_000_000, "window_ms": ms}
        return _one_shot(500, 60_000, fleet)

    return Track(
        name="tiny_pioneer",
        title="Tiny Pioneer: noise isolation in a hearable",
        crisis="the radio's packets take the power; a gateway that batches for 50 ms is an echo",
        objective="10 ms for 99 % of the frames at less than 1 mW",
        variants=(
            Variant("window 50 ms", window(50)),
            Variant("no window", window(0)),
            Variant("window 3 ms", window(3)),
            Variant("window 7 ms", window(7)),
            Variant("window 20 ms", window(20)),
        ),
        limit_ms=10,
        allowed_late=0.01,
        limit_mw=1.0,
        figures=_power,
        parameters={
            "frames": "500 per second, hops of 2 ms: assumed",
            "gateway's window": "50 ms: the lab plan; the others are the remedy",
            "power": "idle .15 mW, .2 + .3 b uJ a batch of b frames, 2 uJ a packet: assumed",
            "radio": ".5 ms each way: assumed",
        },
    )


TRACKS: dict[str, Callable[[], Track]] = {
    "cloud_titan": cloud_titan,
    "edge_guardian": edge_guardian,
    "mobile_nomad": mobile_nomad,
    "tiny_pioneer": tiny_pioneer,
}
