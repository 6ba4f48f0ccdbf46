"""Work for other processes: a module of its own, so that starting them costs nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence


def dies_on_seven(chunk: Sequence[int]) -> int:
    if 7 in chunk:
        os._exit(9)
    return sum(chunk)
