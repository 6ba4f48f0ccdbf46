"""Records which ATen operators real models call while they are trained, and writes them to tests/faults/operators.csv.

    python scripts/operator_inventory.py [--only NAME ...] [-o FILE]

Every model does a few training steps on the CPU: forward, loss, backward, gradient clipping, optimizer; in fp32, under
autocast in bf16 and fp16 (with a GradScaler), with 16-bit weights, and with the images in channels_last where there are
images. A model whose package (ultralytics, transformers, diffusers, timm) is missing is named and left out; no weights
are loaded. ultralytics needs torchvision or tests/clients/stub on PYTHONPATH, transformers must not see that stub.

A row is one floating-point result of one operator in one dtype: `operator` (without the in-place underscore), `result`
(its number), `dtype`, `forms` (overloads that were called), `layouts` (contiguous; strided or channels_last operands;
odd last dimension of the result), `models`. Views, empty tensors and random numbers are left out. Rows of models that
were not run are kept from the file.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import inventory_models
import torch

from hwcompat.probes.simulate import _dispatch, _mutation

FILE = Path(__file__).resolve().parents[1] / "tests" / "faults" / "operators.csv"
COLUMNS = ("operator", "result", "dtype", "forms", "layouts", "models")
RANDOM = ("bernoulli", "normal", "uniform", "rand", "randn", "rand_like", "randn_like", "exponential", "random")
EMPTY = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "lift_fresh", "resize")
PRECISIONS = ("float32", "bfloat16", "float16", "pure bfloat16", "pure float16")
"""Plain fp32, autocast, and 16-bit weights: bf16 fine-tuning, and what `half` means for inference and validation."""

Key = tuple[str, int, str]
Seen = dict[Key, dict[str, set[str]]]


def recorder(seen: Seen, model: str) -> Any:
    """The mode that notes every floating-point result of every operator in `seen`."""

    def note(name: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        plain = _dispatch.base_name(name)
        if plain in RANDOM or plain in EMPTY or _dispatch.is_view(func):
            return out
        written = out if out is not None else _dispatch.written_to(func, args)
        operands = _dispatch.tensors(torch, (args, kwargs))
        for number, result in enumerate(_mutation.results_of(torch, func, written)):
            entry = seen[plain, number, str(result.dtype).replace("torch.", "")]
            entry["forms"].add(f"{name}.{func._overloadname}")
            entry["layouts"] |= layouts(result, operands)
            entry["models"].add(model)
        return out

    return _dispatch.after_each(torch, note)


def layouts(result: torch.Tensor, operands: list[torch.Tensor]) -> set[str]:
    found = {"contiguous"}
    if any(_mutation.is_strided(t) for t in operands):
        found.add("strided")
    if any(_mutation.is_channels_last(torch, t) for t in operands):
        found.add("channels_last")
    if result.dim() and result.shape[-1] % 2 and result.shape[-1] > 1:
        found.add("odd")
    return found


def train(one: inventory_models.Model, precision: str, channels_last: bool, seen: Seen) -> None:
    """Two training steps of `one` under the recorder; construction and input generation are not recorded."""
    torch.manual_seed(0)
    net = one.build()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    pure = getattr(torch, precision.partition(" ")[2]) if precision.startswith("pure ") else None
    net = net.to(pure) if pure else net
    net.train()
    optimizer = one.optimizer(net)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "float16")
    plain = pure or precision == "float32"
    autocast = nullcontext() if plain else torch.autocast("cpu", dtype=getattr(torch, precision))
    for step in range(2):
        data = one.data(step)
        if channels_last:
            data = {k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in data.items()}
        if pure:
            data = {k: v.to(pure) if v.dim() > 2 and v.is_floating_point() else v for k, v in data.items()}
        with recorder(seen, one.name):
            with autocast:
                loss = one.loss(net, data)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    net.eval()
    with torch.no_grad(), recorder(seen, one.name), autocast:
        one.loss(net, data)


def runs(one: inventory_models.Model) -> Iterator[tuple[str, bool]]:
    for precision in PRECISIONS:
        yield precision, False
        if one.images:
            yield precision, True


def read(path: Path) -> Seen:
    seen = blank()
    if path.exists():
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                entry = seen[row["operator"], int(row["result"]), row["dtype"]]
                for column in COLUMNS[3:]:
                    entry[column] |= set(row[column].split())
    return seen


def blank() -> Seen:
    return defaultdict(lambda: {"forms": set(), "layouts": set(), "models": set()})


def write(path: Path, seen: Seen) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(COLUMNS)
        for key, entry in sorted(seen.items()):
            table.writerow([*key, *(" ".join(sorted(entry[column])) for column in COLUMNS[3:])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="models whose name starts so")
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    options = parser.parse_args()
    seen = read(options.output)
    wanted: Callable[[str], bool] = lambda name: not options.only or name.startswith(tuple(options.only))  # noqa: E731
    for name, make in inventory_models.MODELS.items():
        if not wanted(name):
            continue
        try:
            one = make(name)
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        for precision, channels_last in runs(one):
            try:
                train(one, precision, channels_last, seen)
            except Exception as error:  # a package may not train in this precision on this CPU
                print(f"{name} {precision} {channels_last}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
        write(options.output, seen)
        print(f"{name}: {len(seen)} rows so far", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
