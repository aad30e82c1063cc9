"""The code on pages of the documentation, and the examples, run at reduced size."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[2]
# What makes a page's study small: the text that stands there and what the test runs instead.
SMALLER = {
    "speculation.md": [('"num_requests": 100,', '"num_requests": 20,'), ("[1, 16, 128]", "[1, 4]")],
    "costs.md": [('"num_requests": 1000', '"num_requests": 100')],
    "sweeps.md": [('"num_requests": 300', '"num_requests": 60')],
    "study.md": [
        ("num_requests, replications = 4000, 20", "num_requests, replications = 300, 4"),
        ("design.sobol(space, 128", "design.sobol(space, 16"),
        ("shares = [0.3, 0.5, 0.7, 0.8, 0.9]", "shares = [0.3, 0.5]"),
    ],
}


@pytest.mark.parametrize("name", SMALLER)
def test_the_code_of_a_page_runs(name: str) -> None:
    mpl.use("Agg")
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    for whole, small in SMALLER[name]:
        assert whole in code
        code = code.replace(whole, small)
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)
    plt.close("all")
    if name == "study.md":
        comparison = names["result"].compare(0, 1, "mean_ttft_ms")
        assert comparison.paired
        # The page's main claim holds at this size too: pairs are worth many runs.
        assert comparison.variance_ratio > 3
        assert comparison.difference < 0


def test_the_notebook_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "sweep_notebook.py")],
        env=os.environ | {"KVSIM_EXAMPLE_REQUESTS": "100", "MPLBACKEND": "Agg"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
