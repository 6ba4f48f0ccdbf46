"""Run by the tests inside an environment with Lightning: short trainings with and without the adapter.

    watch_lightning.py SCENARIO...

A scenario: healthy, nan, overflow, lr, scaler, accumulate, manual, label; "+" behind it adds the callback.
"""

import contextlib
import importlib
import importlib.machinery
import io
import json
import sys
import types
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[2]))

for name in ("torch.utils.tensorboard", "torch.utils.tensorboard.summary", "tensorboardX", "tensorboardX.summary"):
    sys.modules[name] = types.ModuleType(name)  # releases before 1.9 import it although nothing is logged here
    sys.modules[name].SummaryWriter = sys.modules[name].hparams = object
    sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)

try:
    package = importlib.import_module("lightning.pytorch")
except ModuleNotFoundError:
    package = importlib.import_module("pytorch_lightning")

from hwcompat import watching  # noqa: E402

BATCHES, BAD = 24, 5
QUIET = {
    "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    "accelerator": "cpu", "max_epochs": 1,
}  # fmt: skip


class Half(torch.nn.Module):
    """A product in float16, beyond its range where `gain` is large; nothing where it is 1."""

    def __init__(self):
        super().__init__()
        self.gain = 1.0

    def forward(self, x):
        if self.gain == 1.0:
            return x
        return (x.half() * self.gain).float() / self.gain


class Model(package.LightningModule):
    def __init__(self, scenario):
        super().__init__()
        self.scenario = scenario
        self.body = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.1), Half(), torch.nn.Linear(16, 4))
        self.automatic_optimization = scenario != "manual"

    def training_step(self, batch, batch_idx):
        if self.scenario == "overflow" and batch_idx == BAD:
            self.body[2].gain = 6e4
        out = self.body(batch["pixels"]).float()
        if self.scenario == "lr":
            loss = torch.nn.functional.mse_loss(out, batch["pixels"][:, :4] + 3.0)
        else:
            loss = torch.nn.functional.cross_entropy(out, batch["labels"])
        self.log("loss", loss)
        if self.scenario == "manual":
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return {"loss": loss}

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(3)
        made = [self.example(n, generator) for n in range(BATCHES)]
        return torch.utils.data.DataLoader(made, batch_size=None)

    def example(self, n, generator):
        batch = {
            "pixels": torch.randn(6, 8, generator=generator),
            "labels": torch.randint(0, 4, (6,), generator=generator),
        }
        if n == BAD and self.scenario in ("nan", "scaler-nan", "accumulate-nan", "manual-nan"):
            batch["pixels"][2, 3] = float("nan")
        if n == BAD and self.scenario == "label":
            batch["labels"][4] = 7
        return batch

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=100.0 if self.scenario == "lr" else 0.1, momentum=0.9)
        if package.__version__.startswith("1."):  # these refuse the schedulers of today's torch
            return optimizer
        return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3), "interval": "step"}]


def half_precision():
    """Lightning's plugin for fp16-mixed, told to work on the CPU."""
    with contextlib.suppress(ImportError, AttributeError):
        from_package = importlib.import_module(package.__name__ + ".plugins.precision").MixedPrecision
        return from_package("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))
    return None


def run(job):
    job, watched, _ = job.partition("+")
    package.seed_everything(1)
    told, options = [], {}
    if job.startswith("scaler"):
        plugin = half_precision()
        if plugin is None:
            return {"skipped": "this release has no fp16-mixed on a CPU"}
        options = {"plugins": [plugin], "gradient_clip_val": 1.0}
    if job.startswith("accumulate"):
        options = {"accumulate_grad_batches": 2}
    model = Model(job)
    callbacks = [watching.lightning(report=told.append)] if watched else []
    trainer = package.Trainer(**QUIET, **options, callbacks=callbacks)
    error = ""
    try:
        trainer.fit(model)
    except (IndexError, RuntimeError) as raised:
        error = type(raised).__name__
    finding = told[0] if told else None
    bytes_of = torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy().tobytes()
    return {
        "weights": bytes_of.hex(),
        "loss": str(trainer.callback_metrics.get("loss")),
        "steps": trainer.global_step,
        "error": error,
        "finite": all(bool(torch.isfinite(p).all()) for p in model.parameters()),
        "finding": finding
        and {
            name: getattr(finding, name)
            for name in ("cause", "certainty", "step", "phase", "module", "remedy", "sample")
        },
        "text": str(finding) if finding else "",
    }


said = io.StringIO()
with contextlib.redirect_stderr(said):
    answers = {job: run(job) for job in sys.argv[1:]}
print("\nEFFECTIVE " + json.dumps({"version": package.__version__, "answers": answers, "stderr": said.getvalue()}))
