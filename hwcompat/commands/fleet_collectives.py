"""`hwcompat fleet collectives`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwcompat.console import ProgressLine, give, json_option, output_option, python_option, say

if TYPE_CHECKING:
    from hwcompat.fleet.ranks import Line, Outcome

_DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
_MOST = 6  # findings that a person reads; JSON has all


@click.command()
@click.option("--ranks", type=click.IntRange(min=2), help="Processes; default: one a CUDA device, else 2.")
@click.option("--backend", type=click.Choice(["nccl", "gloo"]), help="Default: nccl where there are two CUDA devices.")
@click.option("--timeout", type=click.FloatRange(min=1), default=120.0, show_default=True, help="Seconds a collective.")
@click.option("--sizes", metavar="N,N", help="Elements of the vectors, instead of seven sizes up to a million.")
@click.option("--megabytes", type=click.IntRange(min=0), help="The largest vector; default 256 on cuda, 16 on cpu.")
@click.option("--check", "fail_on_fault", is_flag=True, help="Exit 1 if anything was wrong.")
@python_option
@json_option
@output_option
def collectives(
    ranks: int | None,
    backend: str | None,
    timeout: float,
    sizes: str | None,
    megabytes: int | None,
    fail_on_fault: bool,
    python: str | None,
    as_json: bool,
    output: Path | None,
) -> int:
    """Check all-reduce, all-gather and so on between the devices of this machine, bit for bit.

    On several machines the same program runs under torchrun or srun: see docs/fleet.md.
    """
    from hwcompat.fleet import ranks as starting

    if sizes is not None and not all(len(w) < 10 and w.isdigit() and int(w) for w in sizes.split(",")):
        raise click.BadParameter(
            f"{sizes!r} is no list of sizes: give numbers below 10^9, as 1,1021,65537", param_hint="--sizes"
        )
    chosen, backend, count = starting.choose(python, backend, ranks)
    with ProgressLine("checking") as progress:
        found = starting.check(starting.Settings(chosen, count, backend, timeout, sizes, megabytes), progress)
    if as_json:
        give("\n".join(json.dumps(line, sort_keys=True) for line in found.lines), output)
    else:
        give("\n".join(_told(found)), output)
    if as_json or output:
        say(_verdict(found))
    return 1 if fail_on_fault and not found.ok else 0


def _verdict(found: Outcome) -> str:
    start, cases = found.start, found.cases
    library = f" {start['library']}" if start.get("library") else ""
    who = f"{start.get('backend', 'the backend')}{library}, {start.get('world', '?')} ranks, torch {start.get('torch')}"
    lacking = sum(case["status"] == "unsupported" for case in cases)
    left = f", {lacking} not offered by the backend" if lacking else ""
    if found.ok:
        return f"{who}: no fault in {len(cases) - lacking} exact collectives{left}"
    return f"{who}: FAULT in {len(found.bad)} of {start.get('cases', len(cases))} exact collectives{left}"


def _told(found: Outcome) -> Iterator[str]:
    from hwcompat import columns

    yield _verdict(found)
    names = list(dict.fromkeys(case["collective"] for case in found.cases))
    yield columns.plain(
        ("collective", *_DTYPES.values()),
        [(name, *(_cell(found, name, dtype) for dtype in _DTYPES)) for name in names],
    )
    for case in found.bad[:_MOST]:
        yield f"{case['status']}: {_said(case)}: {case['detail']}"
    if len(found.bad) > _MOST:
        yield f"and {len(found.bad) - _MOST} more: --json has them all"
    skipped = sum(line["counts"].get("skipped", 0) for line in found.lines if line["event"] == "end")
    if skipped:
        yield f"not tested: the {skipped} cases after that, since the group cannot be used again"
    yield from (str(line["detail"]) for line in found.lines if line["event"] == "lost")
    yield from found.notes


def _said(case: Line) -> str:
    root = "" if case["root"] is None else f" from rank {case['root']}"
    in_place = " in place" if case["in_place"] else ""
    return f"{case['collective']} of {case['elements']} {case['dtype']}{root}{in_place}"


def _cell(found: Outcome, name: str, dtype: str) -> str:
    """The worst that happened, then what passed."""
    seen = [str(case["status"]) for case in found.cases if (case["collective"], case["dtype"]) == (name, dtype)]
    bad = [status for status in seen if status not in ("pass", "unsupported")]
    if bad:
        return f"{bad[0].upper()} ({len(bad)} of {len(seen)})"
    return "" if not seen else "ok" if "pass" in seen else "unsupported"
