"""Values that the tests of the sweep share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwcompat.model import Environment, Report, Result, Verdict
from hwcompat.sweep.planning import Candidate, Python

HERE = Python(f"3.{sys.version_info.minor}", sys.executable)
WORKING = "__version__ = '{version}'\nclass version:\n    cuda = None\n"
LEDGER = "0123456789abcdef"

MakeWheel = Callable[..., Path]


def candidate(version: str, tag: str = "cpu") -> Candidate:
    return Candidate(version, tag, HERE)


def report(**changes: Any) -> Report:
    """What a probe of a healthy CPU says, in short."""
    env = Environment("linux", "x86_64", python=HERE.version)
    facts = {"id": "0" * 16, "date": "2026-01-02T03:04:05Z", "hwcompat": "1", "suite": "1", "level": "quick", "seed": 0}
    results = (Result("matmul.integer", "float32", "pass", cases=3),)
    verdicts = {"fp32": Verdict("ok")}
    return Report(
        **{**facts, "device": "cpu", "environment": env, "results": results, "capabilities": verdicts, **changes}
    )
