"""The README's example runs as it stands, with nothing but what the package needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kvsim

README = Path(__file__).parents[2] / "README.md"
WITHOUT_PANDAS = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
sys.meta_path.insert(0, Missing())
"""
SMALL = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=1000, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=20),
)


def test_the_example_runs_without_pandas() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_PANDAS + block],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 3 * 2


def test_to_pandas_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    made = [
        kvsim.simulate(SMALL),
        kvsim.sweep(SMALL, {"seed": [1]}),
        kvsim.frontier(SMALL, [1.0, 2.0]),
    ]
    for result in made:
        with pytest.raises(ImportError, match=re.escape("pip install 'kvsim[pandas]'")) as caught:
            result.to_pandas()  # type: ignore[attr-defined]
        assert isinstance(caught.value, kvsim.KvsimError)
