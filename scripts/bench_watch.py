"""What watching costs: the same training steps with and without a watch, interleaved in one process.

    python scripts/bench_watch.py [--rounds 100] [--threads 2]

Two trainings of each net take turns, step by step, so that a slow moment of the machine meets both. Printed: the lower
quartile of the time of a plain step, and its ratio with the watch. The audited step (step 1) lies in the warm-up and is
told apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import hwcompat


def block(channels: int, out: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.SiLU()]


def convolutions(*widths: int) -> nn.Module:
    """conv-BN-SiLU blocks, halving the image each time, and a classifier."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *widths[:-1]), widths, strict=True):
        layers += block(before, after, 2)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))


def transformer(width: int, depth: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


def cases(device: str) -> dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, Tensor], str]]:
    """Name -> (net, batch, optimizer). The two first are those of the reference measurement of other tools."""
    return {
        "4 conv blocks, 64 px, batch 8, SGD": (
            lambda: convolutions(16, 32, 64, 64),
            (torch.randn(8, 3, 64, 64), torch.randint(10, (8,))),
            "sgd",
        ),
        "4 conv blocks, 224 px, batch 16, SGD": (
            lambda: convolutions(16, 32, 64, 64),
            (torch.randn(16, 3, 224, 224), torch.randint(10, (16,))),
            "sgd",
        ),
        "6 conv blocks, 96 px, batch 16, AdamW": (
            lambda: convolutions(32, 64, 64, 128, 128, 256),
            (torch.randn(16, 3, 96, 96), torch.randint(10, (16,))),
            "adamw",
        ),
        "transformer 2 x 128, 16 x 64 tokens, AdamW": (
            lambda: transformer(128, 2),
            (torch.randn(16, 64, 128), torch.randn(16, 64, 128)),
            "adamw",
        ),
    }


def training(make: Callable[[], nn.Module], kind: str, device: str) -> tuple[nn.Module, Any, Callable[[Any], Tensor]]:
    torch.manual_seed(0)
    model = make().to(device)
    optimizer: Any
    if kind == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        out = model(batch[0])
        target = batch[1]
        loss = nn.functional.cross_entropy(out, target) if out.dim() == 2 else nn.functional.mse_loss(out, target)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, train_step


def timed(step: Callable[[], Any], device: str) -> float:
    """Milliseconds of one step: processor time of all threads on the CPU, which other programs disturb least."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return 1000 * (clock() - start)


def measure(case: tuple[Any, Any, str], rounds: int, device: str) -> tuple[float, float, float]:
    """(plain milliseconds, ratio with the watch, milliseconds of the audited step), by lower quartiles."""
    make, batch, kind = case
    batch = tuple(part.to(device) for part in batch)
    _model, _optimizer, plain = training(make, kind, device)
    model, optimizer, watched = training(make, kind, device)
    watch = hwcompat.watch(model, optimizer=optimizer)
    watch.step(watched, batch)
    audited = timed(lambda: watch.step(watched, batch), device)
    for _ in range(6):
        plain(batch)
        watch.step(watched, batch)
    alone, with_watch = [], []
    for _ in range(rounds):
        alone.append(timed(lambda: plain(batch), device))
        with_watch.append(timed(lambda: watch.step(watched, batch), device))
    assert watch.finding is None
    base, cost = (statistics.quantiles(times, n=4)[0] for times in (alone, with_watch))
    return base, cost / base, audited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} threads, {options.rounds} steps")
    for name, case in cases(options.device).items():
        if options.only in name:
            base, ratio, audited = measure(case, options.rounds, options.device)
            print(f"{name:45s} {base:8.1f} ms  x{ratio:.3f}  audited step {audited:.0f} ms")


if __name__ == "__main__":
    main()
