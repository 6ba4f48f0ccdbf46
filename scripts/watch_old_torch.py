"""Watches nine small trainings with the torch of the Python that runs this file: what the watch finds on old releases.

    /path/to/an/old/python scripts/watch_old_torch.py

Needs nothing but torch (from 1.13 on) and Python 3.8: hwcompat/replay is loaded by itself, not the package. Exit code 1
where a training is explained otherwise than on the newest torch, 2 where this torch cannot be watched.
"""

import sys
import types
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[1]


def island():
    """hwcompat.replay without the rest of the package, which wants a newer Python."""
    package = types.ModuleType("hwcompat")
    package.__path__ = [str(ROOT / "hwcompat")]
    sys.modules["hwcompat"] = package
    from hwcompat.replay import watcher

    return watcher


def net(outputs=1):
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, outputs))


def pairs(steps=40):
    teacher = torch.randn(8, 1)
    return [(x, x @ teacher) for x in (torch.randn(32, 8) for _ in range(steps))]


def holes():
    batches = pairs()
    batches[20][0][3, 2] = float("nan")
    return batches


def alone():
    return [(x[:1], y[:1]) for x, y in pairs()]


def classes():
    return [(x, torch.full((32,), 3)) for x, _y in pairs()]


def half(guess, _wanted):
    return (guess + 13.0).half().float().exp().half().float().mean()


CASES = (
    ("healthy", "", net, 0.02, {}, functional.mse_loss, pairs),
    ("rate", "learning-rate", net, 2.0, {"momentum": 0.9}, functional.mse_loss, pairs),
    ("hole", "bad-data", net, 0.02, {}, functional.mse_loss, holes),
    ("division", "division-by-zero", net, 0.02, {}, lambda p, y: (p - y).square().mean() / (y * 0).sum(), pairs),
    ("root", "singular-gradient", net, 0.02, {}, lambda p, y: (p * 0).square().sum().sqrt(), pairs),
    ("class", "bad-labels", lambda: net(3), 0.02, {}, functional.cross_entropy, classes),
    ("decay", "weight-decay", net, 0.05, {"weight_decay": 60.0}, functional.mse_loss, pairs),
    (
        "norm",
        "batch-statistics",
        lambda: nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 1)),
        0.02,
        {},
        functional.mse_loss,
        alone,
    ),
    ("half", "fp16-overflow", net, 0.02, {}, half, pairs),
)
"""(name, cause, model, learning rate, other settings of SGD, loss, batches)."""


def cause_of(watch, model, rate, settings, loss, batches):
    """What the watch says about one training: a cause, or '' where it says nothing. It clears outside of the step."""
    torch.manual_seed(0)
    model = model()
    optimizer = torch.optim.SGD(model.parameters(), rate, **settings)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000)
    watched = watch(model, optimizer=optimizer)

    def step(batch):
        value = loss(model(batch[0]), batch[1])
        value.backward()
        optimizer.step()
        return value

    for batch in batches():
        optimizer.zero_grad()
        watched.step(step, batch)
        if watched.finding:
            return watched.finding.cause
        schedule.step()
    return "; ".join(watched.notes)


def main():
    watcher = island()
    if not watcher.recorder.able():
        print(f"{torch.__version__} cannot be watched: that needs torch 1.13 or newer")
        return 2
    wrong = 0
    for name, wanted, *parts in CASES:
        found = cause_of(watcher.watch, *parts)
        wrong += found != wanted
        print(f"{torch.__version__} {name:9} {found or 'silent'}{'' if found == wanted else '  <- ' + wanted}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
