"""Draw bench/history.csv: each figure over the versions, a line for each machine.

python tools/bench_plot.py [OUTPUT.png]    # default out/bench_history.png
"""

import math
import sys
from pathlib import Path

from bench_history import HISTORY, KEYS, ROOT, read


def draw(rows: list[dict[str, str]], output: Path) -> None:
    """Draw one panel a figure, its axis from zero, to `output`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figures = [column for column in rows[0] if column not in KEYS]
    machines = list(dict.fromkeys(row["machine"] for row in rows))
    versions = list(dict.fromkeys(row["version"] for row in rows))
    across = min(3, len(figures))
    down = math.ceil(len(figures) / across)
    drawing, panels = plt.subplots(
        down, across, figsize=(4.2 * across, 2.6 * down), squeeze=False, layout="constrained"
    )
    for panel, column in zip(panels.flat, figures, strict=False):
        for machine in machines:
            points = [
                (versions.index(row["version"]), float(row[column]))
                for row in rows
                if row["machine"] == machine and row[column]
            ]
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", label=machine)
        name, _, unit = column.partition(" [")
        panel.set_title(name, fontsize=9)
        panel.set_ylabel(unit.rstrip("]"), fontsize=8)
        panel.set_xticks(range(len(versions)), versions, fontsize=8)
        panel.set_xlim(-0.5, len(versions) - 0.5)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.tick_params(axis="y", labelsize=8)
    for panel in list(panels.flat)[len(figures) :]:
        panel.axis("off")
    drawing.legend(
        *panels.flat[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(output, dpi=150)


def main(arguments: list[str]) -> int:
    """Draw the history to the file named, or to the default; return the exit code."""
    if len(arguments) > 1:
        sys.exit(__doc__)
    rows = read()
    if not rows:
        sys.exit(f"{HISTORY.relative_to(ROOT)} has no rows yet; `make bench` writes one")
    output = Path(arguments[0]) if arguments else ROOT / "out" / "bench_history.png"
    draw(rows, output)
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
