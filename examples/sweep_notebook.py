import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import os

    import marimo as mo

    import kvsim
    from kvsim import design

    return design, kvsim, mo, os


@app.cell
def _(mo):
    mo.md(
        """
        # How many requests at once?

        `max_num_seqs` bounds the batch. A small batch makes requests wait; a large one makes every
        step longer. This notebook sweeps it against the load, with confidence intervals.
        """
    )


@app.cell
def _(kvsim, os):
    rate = "workload.arrivals.rate_per_s"
    seqs = "engine.max_num_seqs"
    requests = int(os.environ.get("KVSIM_EXAMPLE_REQUESTS", "2000"))
    base = kvsim.Scenario(
        model="llama-3-8b",
        gpu="h100-sxm",
        workload=kvsim.Workload(lengths=kvsim.LogNormalLengths(), num_requests=requests),
        slo=kvsim.SLO(ttft_ms=500, tpot_ms=50),
    )
    return rate, seqs, base, requests


@app.cell
def _(rate, seqs, base, design, kvsim):
    points = design.grid({rate: [2, 6, 10, 14], seqs: [16, 32, 64, 256]})
    result = kvsim.sweep(base, points, replications=5)
    result
    return points, result


@app.cell
def _(rate, seqs, result):
    result.plot("frontier", "p99_e2el_ms")
    result.runs.select({"seed": 0}).plot("heatmap", rate, seqs, "p99_ttft_ms", log=True)
    result.select({rate: 2}).plot("waterfall", seqs)


@app.cell
def _(rate, mo, result):
    light = result.select({rate: 2})
    difference = light.compare(0, -1, "mean_e2el_ms")
    best = result.best(maximize="request_goodput")
    mo.md(
        f"""
        At 2 requests/s the largest batch changes the mean end-to-end time by
        {difference.difference:.1f} ms ({difference.low:.1f} to {difference.high:.1f}, paired).
        Most requests within the objective: {best["request_goodput"][0]:.2f}/s with
        {best.points[0]}.
        """
    )
    return best, difference, light


if __name__ == "__main__":
    app.run()
