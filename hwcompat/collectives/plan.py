"""Which cases are run. The same arguments give the same list on every rank."""

from typing import List, Tuple

from . import exact
from .operations import KINDS, Case

SIZES = (1, 3, 255, 1021, 4099, 65537, 1048573)
"""Elements of a whole vector: one, odd ones, and sizes on both sides of where libraries change their way. NCCL goes
from its low-latency protocols and trees to rings somewhere between kilobytes and a few megabytes, by its own model of
the machine; NCCL_ALGO and NCCL_PROTO force one: https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html."""

BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


def cases(world, sizes, megabytes, dtypes=tuple(exact.DIGITS), collectives=tuple(KINDS)):
    """Every collective in every dtype, size and place; the largest vector has `megabytes` (none if 0).

    Small ones first: what is broken altogether shows at once.
    """
    found: List[Tuple[int, Case]] = []
    for dtype in dtypes:
        largest = megabytes * 2**20 // BYTES[dtype] - 1  # odd
        for size in [*sizes, *([largest] if largest > max(sizes) else [])]:
            for name in collectives:
                kind = KINDS[name]
                own = size if kind.widens == 0 and name != "all_to_all" else -(-size // world)
                for in_place in kind.in_place:
                    root = len(found) % world if name == "broadcast" else None
                    found.append((size, Case(0, name, dtype, own, in_place, root)))
    found.sort(key=lambda one: one[0])
    return [case._replace(number=number) for number, (_, case) in enumerate(found)]
