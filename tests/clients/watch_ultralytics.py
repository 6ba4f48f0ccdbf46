"""Run by the tests inside a client's environment: short trainings of a small YOLO, with and without the adapter.

    watch_ultralytics.py DATA_YAML MODEL_YAML SCENARIO...

A scenario: healthy, nan, overflow; "+" behind it adds the adapter. An lr0 above 1 the client refuses itself.
"""

import json
import os
import socket
import sys
from pathlib import Path

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # old releases load their own checkpoints the old way

import torch


def refuse(*arguments, **options):
    raise OSError("no network in this test")


socket.socket.connect = refuse
socket.getaddrinfo = refuse

import ultralytics  # noqa: E402
from ultralytics import YOLO  # noqa: E402
from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: E402

sys.path.append(str(Path(__file__).resolve().parents[2]))

from hwcompat import watching  # noqa: E402

BAD = 2


def trainer_for(scenario):
    """A trainer whose batch BAD is broken in one way; the batches themselves come from the files."""

    class Broken(DetectionTrainer):
        seen = 0

        def preprocess_batch(self, batch):
            batch = super().preprocess_batch(batch)
            if self.seen == BAD and scenario == "nan":
                batch["img"][1, 0, 5, 5] = float("nan")
            if self.seen == BAD and scenario == "overflow":
                batch["img"][0, 0, 0, 0] = -1.0
            self.seen += 1
            return batch

        def get_model(self, *arguments, **options):
            model = super().get_model(*arguments, **options)
            if scenario == "overflow":
                model.model[0] = Overflowing(model.model[0])
            return model

    return Broken


class Overflowing(torch.nn.Module):
    """Leaves the range of float16 for a picture that begins with -1."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.f, self.i = inner.f, inner.i

    def forward(self, x):
        out = self.inner(x)
        return (out.half() * 6e4 * 1e4).to(out.dtype) if bool((x[0, 0, 0, 0] == -1.0).any()) else out


def run(job, data, model):
    scenario, plus, _ = job.partition("+")
    told, seen = [], {"batches": 0}
    net = YOLO(model)
    if plus:
        watching.ultralytics(net, report=told.append)
    net.add_callback("on_train_batch_end", lambda trainer: seen.update(batches=seen["batches"] + 1, trainer=trainer))
    error = ""
    try:
        net.train(
            data=data, epochs=1, imgsz=32, batch=4, nbs=8, workers=0, amp=False, device="cpu", seed=1, plots=False,
            val=False, project=str(Path(job).resolve()), name="run", exist_ok=True, trainer=trainer_for(scenario),
            verbose=False, mosaic=0.0, optimizer="SGD",
        )  # fmt: skip
    except RuntimeError as raised:
        error = str(raised)
    finding, trainer = told[0] if told else None, seen["trainer"]
    fields = ("cause", "certainty", "step", "phase", "module", "remedy", "sample")
    flat = torch.cat([p.detach().float().reshape(-1) for p in trainer.model.state_dict().values()])
    ema = torch.cat([p.detach().float().reshape(-1) for p in trainer.ema.ema.state_dict().values()])
    return {
        "weights": flat.numpy().tobytes().hex()[:4096] + str(float(flat.double().sum())),
        "ema": str(float(ema.double().sum())),
        "steps": seen["batches"],
        "error": error,
        "finite": bool(torch.isfinite(flat).all()),
        "finding": finding and {name: getattr(finding, name) for name in fields},
        "text": str(finding) if finding else "",
    }


data, model, *jobs = sys.argv[1:]
answers = {job: run(job, data, model) for job in jobs}
print("\nEFFECTIVE " + json.dumps({"version": ultralytics.__version__, "answers": answers, "stderr": ""}))
