"""Run by the tests inside a client's environment: short trainings by the Trainer, with and without the adapter.

    watch_transformers.py SCENARIO...

A scenario: healthy, nan, overflow, lr, scaler, scaler-nan, accumulate, accumulate-nan, label; "+" behind it adds the
callback. The model is a plain module that takes its tensors by name, so nothing is fetched.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import torch
import transformers
from accelerate.state import AcceleratorState
from transformers import Trainer, TrainingArguments

sys.path.append(str(Path(__file__).resolve().parents[2]))

from hwcompat import watching

BATCHES, BAD = 24, 5
OLD = transformers.__version__.startswith("4.3")


class Model(torch.nn.Module):
    def __init__(self, scenario):
        super().__init__()
        self.scenario, self.gain = scenario, 6e4 if scenario == "overflow" else 1.0
        self.enter, self.drop, self.leave = torch.nn.Linear(8, 16), torch.nn.Dropout(0.1), torch.nn.Linear(16, 4)

    def forward(self, pixels, labels=None):
        hidden = self.drop(self.enter(pixels))
        if self.scenario == "overflow" and bool((pixels == 0).any()):
            hidden = (hidden.half() * self.gain).float()
        out = self.leave(hidden).float()
        if self.scenario == "lr":
            return {"loss": torch.nn.functional.mse_loss(out, pixels[:, :4] + 3.0), "logits": out}
        return {"loss": torch.nn.functional.cross_entropy(out, labels), "logits": out}


def examples(scenario):
    generator = torch.Generator().manual_seed(3)
    made = []
    for n in range(BATCHES * 4):
        pixels = torch.randn(8, generator=generator)
        label = int(torch.randint(0, 4, (1,), generator=generator))
        if n == 4 * BAD + 2:
            pixels[3] = {"nan": float("nan"), "overflow": 0.0}.get(scenario.rpartition("-")[2], pixels[3])
            label = 7 if scenario == "label" else label
        made.append({"pixels": pixels, "labels": label})
    return made


class InOrder(Trainer):
    def _get_train_sampler(self, *unused):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def with_scaler(trainer):
    """fp16 needs a GPU; a scaler is put where accelerate keeps it, and float16 is autocast by hand."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    trainer.accelerator.scaler = scaler
    prepared = trainer.accelerator.prepare_optimizer

    def prepare_optimizer(*args, **kwargs):
        optimizer = prepared(*args, **kwargs)
        optimizer.scaler = scaler
        if not OLD and not hasattr(optimizer, "_optimizer_patched_step_method"):
            from accelerate.optimizer import patch_optimizer_step

            optimizer._accelerate_step_called = False
            optimizer._optimizer_original_step_method = optimizer.optimizer.step
            optimizer._optimizer_patched_step_method = patch_optimizer_step(optimizer, optimizer.optimizer.step)
        return optimizer

    trainer.accelerator.prepare_optimizer = prepare_optimizer
    trainer.compute_loss_context_manager = lambda *unused: torch.autocast("cpu", dtype=torch.float16)
    trainer.autocast_smart_context_manager = trainer.compute_loss_context_manager

    def unscale(optimizer=None):
        scaler.unscale_(trainer.optimizer.optimizer)

    trainer.accelerator.unscale_gradients = unscale


def run(job):
    scenario, plus, _ = job.partition("+")
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    AcceleratorState._reset_state(True)
    told = []
    arguments = TrainingArguments(
        output_dir="out", per_device_train_batch_size=4, num_train_epochs=1, disable_tqdm=True, report_to="none",
        save_strategy="no", seed=1, optim="adamw_torch", learning_rate=0.01, logging_steps=1000,
        gradient_accumulation_steps=2 if scenario.startswith("accumulate") else 1,
        max_grad_norm=0.0 if scenario == "lr" else 1.0,
        lr_scheduler_type="constant" if scenario == "lr" else "linear", dataloader_num_workers=0,
        **({"no_cuda": True} if OLD else {"use_cpu": True}),
    )  # fmt: skip
    transformers.set_seed(1)
    model = Model(scenario)
    lr = torch.optim.SGD(model.parameters(), lr=100.0) if scenario == "lr" else None
    trainer = InOrder(
        model=model, args=arguments, train_dataset=examples(scenario), optimizers=(lr, None),
        callbacks=[watching.transformers(report=told.append)] if plus else [],
    )  # fmt: skip
    if scenario.startswith("scaler"):
        with_scaler(trainer)
    error = ""
    try:
        trainer.train()
    except (IndexError, RuntimeError) as raised:
        error = type(raised).__name__
    finding = told[0] if told else None
    fields = ("cause", "certainty", "step", "phase", "module", "remedy", "sample")
    return {
        "weights": torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy().tobytes().hex(),
        "steps": trainer.state.global_step,
        "error": error,
        "finite": all(bool(torch.isfinite(p).all()) for p in model.parameters()),
        "finding": finding and {name: getattr(finding, name) for name in fields},
        "text": str(finding) if finding else "",
        "clean": "training_step" not in vars(trainer),
    }


said = io.StringIO()
with contextlib.redirect_stderr(said):
    answers = {job: run(job) for job in sys.argv[1:]}
print("\nEFFECTIVE " + json.dumps({"version": transformers.__version__, "answers": answers, "stderr": said.getvalue()}))
