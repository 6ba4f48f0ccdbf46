"""Writes the skeleton of a probe from a capture file: the way from somebody's bad step to a permanent check.

    scripts/probe_from_capture.py bad.capture > hwcompat/probes/suite/matmul_of_the_report.py

The skeleton has the operation with the shapes, strides and types of the capture, and inputs made from small integers,
so that every device sees the same bits and the true result is exact. What it leaves to a person, marked TODO: the fault
and its source, the derivation of the bound, the fault model and the test (CONTRIBUTING.md, "A probe"). It holds none of
the captured numbers. Needs torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

TEMPLATE = '''"""TODO: one sentence that says what is checked, for {op} with the shapes of a training that went bad.

Hunts: TODO: the fault, as {cause} ({certainty}) it was captured on {device}, torch {torch}.
Rule: EXACT. Inputs are integers of at most {largest}; every partial sum of K = {terms} products is at most
{terms} * {largest} ** 2 = {bound} <= 2 ** {bits}, so {dtype} holds each of them exactly, in any order.
Source: TODO: a link.
"""

# The captured call: {call}
LEVEL = "standard"
RULE = "EXACT"
DTYPES = ("{dtype}",)
INPUTS = (
{inputs})
"""(shape, stride, dtype) of each tensor."""


def made(torch, generator, shape, stride, dtype, largest={largest}):
    """A tensor of integers in the captured layout, made on the CPU."""
    whole = torch.randint(-largest, largest + 1, shape, generator=generator)
    out = torch.empty_strided(shape, stride, dtype=getattr(torch, dtype))
    return out.copy_(whole)


# TODO: run {op} on the inputs on the device, the same in float64 on the CPU, and compare bit by bit,
# in the form of the neighbours of this folder; then a fault model in probes/simulate/ and a test in tests/probes/.
'''
BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Bits of the significand: integers up to 2 ** bits are exact."""


def skeleton(capture: dict[str, Any]) -> str:
    """The text of the probe."""
    tensors = [item["tensor"] for item in flat([*capture["args"], *capture["kwargs"].values()]) if "tensor" in item]
    floats = [told["dtype"] for told in tensors if told["dtype"] in BITS]
    dtype = floats[0] if floats else "float32"
    terms = longest_sum(capture["op"], [told["shape"] for told in tensors])
    largest = max(1, int((2 ** BITS[dtype] / terms) ** 0.5))
    found, where = capture["finding"], capture["versions"]
    lines = "".join(f"    ({tuple(t['shape'])}, {tuple(t['stride'])}, {t['dtype']!r}),\n" for t in tensors)
    return TEMPLATE.format(
        op=capture["op"], cause=found["cause"], certainty=found["certainty"], device=where["device"],
        torch=where["torch"], largest=largest, terms=terms, bound=terms * largest**2, bits=BITS[dtype], dtype=dtype,
        inputs=lines, call=call(capture),
    )  # fmt: skip


def flat(values: list[Any]) -> list[Any]:
    """Encoded arguments with their lists unfolded."""
    return [one for value in values for one in (flat(value["list"]) if "list" in value else [value])]


def longest_sum(op: str, shapes: list[list[int]]) -> int:
    """How many products are added up for one number of the result."""
    if "convolution" in op and len(shapes) > 1:
        window = shapes[1][1:]
        terms = 1
        for size in window:
            terms *= size
        return max(1, terms)
    matrices = [shape for shape in shapes if len(shape) > 1]
    return max(1, matrices[-1][-2]) if matrices else 1


def call(capture: dict[str, Any]) -> str:
    """The call as one line, tensors by their shape."""

    def told(value: Any) -> str:
        if "list" in value:
            return "[" + ", ".join(map(told, value["list"])) + "]"
        if "tensor" in value:
            return f"{value['tensor']['dtype']}{value['tensor']['shape']}"
        return str(value.get("value", value.get("dtype")))

    parts = [told(value) for value in capture["args"]]
    parts += [f"{name}={told(value)}" for name, value in capture["kwargs"].items()]
    return f"{capture['op']}({', '.join(parts)})"


def main(arguments: list[str]) -> int:
    from hwcompat import replay

    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(skeleton(replay.load_capture(arguments[0])), end="")
    except replay.CaptureError as error:
        print(f"unusable capture: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
