import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo

    import kvsim
    from kvsim import widgets

    return kvsim, mo, widgets


@app.cell
def _(mo):
    mo.md(
        """
        # The lab's instruments in a notebook

        Each widget simulates its scenario here, in Python, and draws it in the browser. Moving a
        slider simulates anew; the result is then in `widget.result`.
        """
    )


@app.cell
def _(kvsim):
    base = kvsim.Scenario(
        model="llama-3-8b",
        gpu="h100-sxm",
        engine=kvsim.Engine(num_gpu_blocks=1500, max_model_len=8192),
        workload=kvsim.Workload(
            arrivals=kvsim.Poisson(rate_per_s=6),
            lengths=kvsim.LogNormalLengths(prompt_max_tokens=6000, output_max_tokens=1000),
            num_requests=400,
        ),
    )
    return (base,)


@app.cell
def _(base, mo, widgets):
    frontier = mo.ui.anywidget(
        widgets.Frontier(base, {"engine.max_num_seqs": [4, 16, 64, 256]}, slo_ms=500)
    )
    frontier
    return (frontier,)


@app.cell
def _(frontier, mo):
    # The widget's state is Python's: a cell that reads it runs again when a slider moves.
    chosen = frontier.value["settings"]["engine.max_num_seqs"]
    knee = frontier.widget.result.knee
    rate = "nowhere" if knee is None else f"at {knee.offered_per_s:.3f} requests/s"
    mo.md(f"With `max_num_seqs` = {chosen} the knee is {rate}.")


@app.cell
def _(base, mo, widgets):
    waterfall = mo.ui.anywidget(
        widgets.Waterfall(base, {"workload.arrivals.rate_per_s": [2, 4, 6, 8, 10]}, which="p99")
    )
    waterfall
    return (waterfall,)


@app.cell
def _(base, mo, widgets):
    heatmap = mo.ui.anywidget(widgets.KVCacheHeatmap(base))
    heatmap
    return (heatmap,)


if __name__ == "__main__":
    app.run()
