"""The datasets that come with kvsim."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kvsim._names import nearest
from kvsim.datasets.errors import TraceError
from kvsim.datasets.readers import from_csv, from_jsonl

if TYPE_CHECKING:
    from kvsim.datasets.trace import Trace

_FOLDER = Path(__file__).parent.parent / "data" / "traces"

_AZURE = "Azure/AzurePublicDataset, commit b469a113ced, data/AzureLLMInferenceTrace_{}.csv"
_MOONCAKE = "kvcache-ai/Mooncake, commit 3b5a5941339, FAST25-release/traces/{}_trace.jsonl"


@dataclass(frozen=True)
class Dataset:
    """A packaged dataset: what it is, without loading it.

    Parameters
    ----------
    name : str
        What `load` takes.
    file : str
        File name in the package.
    requests : int
        Number of rows.
    source, licence, citation, description : str
        Where it is from, under what terms, what to cite, and what to know before using it.
    time_unit : str or None
        Unit of its times, None if the column says it.
    """

    name: str
    file: str
    requests: int
    source: str
    licence: str
    citation: str
    description: str
    time_unit: str | None = None


_SPLITWISE = (
    "Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA 2024"
)
_QIN = "Qin et al., Mooncake: Trading More Storage for Less Computation, FAST 2025"

_DATASETS = {
    d.name: d
    for d in (
        Dataset(
            "azure-2023-conversation",
            "azure2023_conv.csv.gz",
            19_366,
            _AZURE.format("conv"),
            "CC-BY-4.0",
            _SPLITWISE,
            "One hour of a conversation service at Microsoft Azure, 2023-11-16: 5.53 requests/s, "
            "close to Poisson (CV of the gaps 1.09). Lengths only, no prefixes.",
        ),
        Dataset(
            "azure-2023-code",
            "azure2023_code.csv.gz",
            8_819,
            _AZURE.format("code"),
            "CC-BY-4.0",
            _SPLITWISE,
            "One hour of a code completion service at Microsoft Azure, 2023-11-16: 2.57 requests/s "
            "on average, but in bursts between idle phases (CV of the gaps 13.2). The longest gap "
            "is 217.2 s, before row 8101 (19:04:39.80 to 19:08:16.97, 2855.8 s after the start); "
            "without it the CV is still 12.5. 45 gaps of 10 s and more make up 69 % of the time; "
            "without them it is 3.0. The mean rate is not a load that the service ever saw: use "
            "the trace's own times, or `with_gaps_capped`, or only its lengths.",
        ),
        Dataset(
            "mooncake-conversation",
            "mooncake_conversation.jsonl.gz",
            12_031,
            _MOONCAKE.format("conversation"),
            "Apache-2.0",
            _QIN,
            "About an hour of the Kimi chat service: 3.40 requests/s, long prompts (mean 12,035), "
            "prefix blocks of 512 tokens; an unlimited cache would hit 36.6 % of the blocks. Times "
            "are in whole ms and mostly in steps of 3 s: 90 % of the requests arrive together with "
            "the one before.",
            "ms",
        ),
        Dataset(
            "mooncake-synthetic",
            "mooncake_synthetic.jsonl.gz",
            3_993,
            _MOONCAKE.format("synthetic"),
            "Apache-2.0",
            _QIN,
            "A synthetic mix by Mooncake's authors, 1,022 s with Poisson arrivals (CV 1.01): "
            "3.91 requests/s, mean prompt 15,325, prefix blocks of 512 tokens; an unlimited cache "
            "would hit 64.0 % of the blocks.",
            "ms",
        ),
        Dataset(
            "sharegpt-300",
            "sharegpt_llama31_8b_300.csv.gz",
            300,
            "casys-kaist/LLMServingSim, commit 5daddb21a54, "
            "workloads/sharegpt-llama-3.1-8b-300-sps10.jsonl, lengths and arrivals only",
            "MIT",
            "Cho et al., LLMServingSim: A HW/SW Co-Simulation Infrastructure for LLM Inference "
            "Serving at Scale, IISWC 2024",
            "300 ShareGPT conversations tokenised for Llama-3.1-8B, Poisson arrivals at about "
            "10 requests/s; longer than the ShareGPT sample of the vLLM paper.",
        ),
    )
}


def names() -> tuple[str, ...]:
    """Names of the packaged datasets.

    Examples
    --------
    >>> names()[0]
    'azure-2023-conversation'
    """
    return tuple(_DATASETS)


def info(name: str) -> Dataset:
    """Tell what a packaged dataset is, without loading it.

    Raises
    ------
    TraceError
        If there is none of this name; the nearest names are given.

    Examples
    --------
    >>> info("sharegpt-300").licence
    'MIT'
    """
    if name not in _DATASETS:
        raise TraceError(
            f"there is no such dataset{nearest(name, _DATASETS)}", file=f"dataset {name!r}"
        )
    return _DATASETS[name]


def load(name: str) -> Trace:
    """Load a packaged dataset; the second time it is in memory already.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    Trace
        The same object for every call, which is safe because its columns are read-only.

    Raises
    ------
    TraceError
        If there is none of this name; the nearest names are given.

    Examples
    --------
    >>> load("azure-2023-conversation")
    Trace('azure-2023-conversation': 19366 requests, 3501.72 s)
    """
    return _load(info(name))


@functools.cache
def _load(about: Dataset) -> Trace:
    path = _FOLDER / about.file
    if ".jsonl" in about.file:
        trace = from_jsonl(path, time_unit=about.time_unit, hash_block_tokens=512)
    else:
        trace = from_csv(path, time_unit=about.time_unit)
    return dataclasses.replace(
        trace,
        name=about.name,
        source=about.source,
        licence=about.licence,
        description=about.description,
    )
