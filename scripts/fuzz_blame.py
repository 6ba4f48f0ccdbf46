"""Asks whether the watch would ever blame the machine for a number that leaves its range by itself.

    python scripts/fuzz_blame.py [--part 0/4]        needs `pip install expecttest`, which torch's own samples import

Every operator of torch's own test suite runs here, forward and backward, on its samples in float16, bfloat16 and
float32, as they are and times 0, 3e4, 1e-7 and 1e30. Each infinity or NaN that is born of finite numbers is replayed
and judged as that of a bad training step would be. On a healthy machine nothing may be called `hardware`. `library` is
told with the operator: then torch's kernel gives NaN where the formula, written in simpler operators on the same device
and in the same type, does not; look at it. Exit code 1 where the hardware was blamed.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

from hwcompat.replay import logic, opreplay
from hwcompat.replay.observations import Observations, Root
from hwcompat.replay.places import Places
from hwcompat.replay.recorder import Birth, Recorder

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
FACTORS = (1.0, 0.0, 3e4, 1e-7, 1e30)
SAMPLES, BIRTHS = 3, 4


def operators(part: int, parts: int) -> Iterator[Any]:
    from torch.testing._internal.common_methods_invocations import op_db

    yield from (op for n, op in enumerate(op_db) if n % parts == part)


def samples(op: Any, dtype: torch.dtype) -> list[Any]:
    if dtype not in op.dtypes:
        return []
    try:
        found = op.sample_inputs("cpu", dtype, requires_grad=dtype in op.backward_dtypes)
        return [sample for sample, _ in zip(found, range(SAMPLES), strict=False)]
    except Exception:  # samples that need another device or package
        return []


def scaled(value: Any, dtype: torch.dtype, factor: float) -> Any:
    """Tensors of the type times a factor, with 0 for what does not fit: every number stays finite."""
    if not isinstance(value, torch.Tensor) or value.dtype != dtype:
        return value
    wide = (value.detach().double() * factor).to(dtype)
    return torch.where(torch.isfinite(wide), wide, torch.zeros_like(wide)).requires_grad_(value.requires_grad)


def births(op: Any, sample: Any, dtype: torch.dtype, factor: float) -> list[Birth]:
    """The births of one call and its backward, with their inputs."""
    recorder = Recorder(Places([], []), shadow=False)
    try:
        given, args, kwargs = (
            tree_map(lambda v: scaled(v, dtype, factor), part) for part in (sample.input, sample.args, sample.kwargs)
        )
        with recorder:
            outputs = [t for t in tree_flatten(op(given, *args, **kwargs))[0] if isinstance(t, torch.Tensor)]
            sums = [t.float().sum() for t in outputs if t.requires_grad and t.is_floating_point()]
            if sums:
                torch.stack(sums).sum().backward()
    except Exception:  # an operator may refuse such numbers
        pass
    return [birth for birth in recorder.births if birth.args is not None][:BIRTHS]


def verdict(birth: Birth) -> str:
    root = Root("m", "forward", birth.name, "", nan=birth.nan)
    evidence = opreplay.examine(birth)
    return str(logic.decide(Observations(step=0, trip="loss", bad="loss", root=root, replay=evidence)).cause)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="0/1", help="which share of the operators, 0/4 for the first quarter")
    part, parts = (int(number) for number in parser.parse_args().part.split("/"))
    warnings.simplefilter("ignore")
    started, runs, causes, blamed = time.monotonic(), 0, Counter[str](), Counter[tuple[str, str, str]]()
    for op in operators(part, parts):
        for dtype in DTYPES:
            for sample in samples(op, dtype):
                for factor in FACTORS:
                    runs += 1
                    for birth in births(op, sample, dtype, factor):
                        cause = verdict(birth)
                        causes[cause] += 1
                        if cause in ("hardware", "library"):
                            blamed[cause, birth.name, str(dtype).removeprefix("torch.")] += 1
    took = time.monotonic() - started
    print(f"torch {torch.__version__}: {runs} calls, {sum(causes.values())} births judged in {took:.0f} s")
    print(", ".join(f"{cause} {count}" for cause, count in causes.most_common()))
    for (cause, name, kind), count in sorted(blamed.items()):
        print(f"{cause}: {name} in {kind}, {count} times")
    return 1 if any(cause == "hardware" for cause, _name, _kind in blamed) else 0


if __name__ == "__main__":
    sys.exit(main())
