"""Times one training step in any interpreter: <python> .../sweep/stepclock.py job.json out.json

The probes tell how much faster one precision is than another, at the batch at which that very build gains no more. To
compare builds, the same step must be timed at the same batch in all of them, in seconds. This is that: the step of the
probe `speed.conv_step`, its variants interleaved by the probes' own timer. Like the probes it needs Python 3.8 and
imports nothing but the standard library, torch, and their folder under a private name.

job.json: `island` (the folder of the probes), `device`, `batch` (null: the largest at which no precision takes too
long), `parent` (process id; this process ends with it), `scratch` (folder to remove in that case).
out.json, written when all is done: {"batch": 32, "steps": {"fp32": {"seconds", "low", "high", "note"}, ...}}; the names
of the steps are those of the precisions, with " channels_last" behind for that layout.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import Any

LAYOUTS = {"nchw": "", "nhwc": " channels_last"}


def main(argv: list[str]) -> int:
    with open(argv[1], encoding="utf-8") as handle:  # noqa: PTH123 as the probes do: no pathlib in a timed process
        job = json.load(handle)
    island = load(job["island"])
    worker, step = island("worker"), island("suite.speed_conv_step")
    worker.watch_parent(job["parent"], job["scratch"])
    torch = worker.import_torch()
    ctx = island("context").Context(torch, job["device"], "float32", probe_id="sweep")
    island("torch_state").write_switches(torch, step._TF32)
    found = timed(island("timing"), step, ctx, job["batch"])
    with open(argv[2], "w", encoding="ascii") as handle:  # noqa: PTH123
        json.dump(found, handle)
    return 0


def load(folder: str) -> Any:
    """A function that gives the island's modules by name; nothing else of this folder can be imported."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]  # noqa: PTH100
    spec = importlib.util.spec_from_file_location("_hwcompat_start", os.path.join(folder, "__main__.py"))  # noqa: PTH118
    assert spec is not None
    assert spec.loader is not None  # a file location always has one
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    start.hide_folders()
    start.load_island()
    return lambda name: importlib.import_module(start.PACKAGE + "." + name)


def timed(timing: Any, step: Any, ctx: Any, batch: int | None) -> dict[str, Any]:
    """Every precision that this build computes in, in both layouts, at one batch."""
    amp = [name for name in step._AMP if not step.why_no_autocast(ctx, name)]
    batch = batch or min(step.batch_for(ctx, name) for name in amp or ["fp32"])
    steps = {
        name + words: step.training_step(ctx, name, batch, layout)
        for name in ["fp32", *amp]
        for layout, words in LAYOUTS.items()
    }
    samples = timing.interleaved(ctx, steps, 1.0, 6.0 if ctx.large else 4.0)
    return {"batch": batch, "steps": {name: figure(timing, values) for name, values in samples.items()}}


def figure(timing: Any, values: Any) -> dict[str, Any]:
    measured = timing.measurement(list(values), "s", note=values.note)
    return {"seconds": measured["value"], "low": measured["low"], "high": measured["high"], "note": measured["note"]}


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking down an interpreter with a broken device can hang after all has been said
