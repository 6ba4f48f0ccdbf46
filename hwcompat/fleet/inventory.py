"""Which nodes a fleet should have: a plain list, CSV, or what `sinfo -N` and `kubectl get nodes` print.

Accepted, recognised line by line so that any tool's output does:

    node-1                                  one name a line; "#" begins a comment
    node-1,8        node,gpus               CSV, with or without a header; the second cell is the number of GPUs
    NODELIST NODES PARTITION STATE          sinfo -N (also with -o/-O columns): by the header NODELIST or HOSTNAMES;
    node-1   1     gpu       idle           a GRES column such as gpu:h100:8(S:0-1) gives the number
    NAME     STATUS ROLES AGE VERSION       kubectl get nodes, also with -o custom-columns=NAME:...,GPUS:...
    node/node-1                             kubectl get nodes -o name
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hwcompat.errors import DataError

MAX_BYTES = 8 * 2**20
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_NAME_HEADERS = ("node", "nodelist", "nodename", "hostname", "hostnames", "host", "name")
_COUNT_HEADERS = ("gpus", "gpu", "gres", "nvidia.com/gpu", "amd.com/gpu", "count")
_GRES = re.compile(r"gpu(?::[^:(),\s]+)?:(\d{1,4})")
_HINT = "one node a line, as node or node,gpus; or the output of sinfo -N or kubectl get nodes"


def read(path: Path) -> Mapping[str, int | None]:
    """`parse` of a file; DataError names it where it cannot be read or used."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES} bytes", _HINT)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}", _HINT) from None
    try:
        return parse(text)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from None


def parse(text: str) -> Mapping[str, int | None]:
    """{node: number of its GPUs, None where it is not told}, each node once. DataError for a line that is no node."""
    lines = [(n, cells) for n, line in enumerate(text.splitlines(), 1) if (cells := _cells(line))]
    name_at, count_at, first = _header(lines[0][1] if lines else [""])
    found: dict[str, int | None] = {}
    for number, cells in lines[first:]:
        name = cells[name_at].removeprefix("node/") if name_at < len(cells) else ""
        if not _NODE.fullmatch(name):
            raise DataError(f"line {number}: {name[:60]!a} is no name of a node", _HINT)
        count = _count(cells[count_at]) if count_at is not None and count_at < len(cells) else None
        known = found.get(name)
        found[name] = count if known is None else max(known, count or 0)  # sinfo -N: a line a partition
    if not found:
        raise DataError("no node in the inventory", _HINT)
    return found


def _cells(line: str) -> Sequence[str]:
    bare = line.partition("#")[0].strip()
    if not bare:
        return ()
    return [cell.strip().strip('"') for cell in (bare.split(",") if "," in bare and " " not in bare else _words(bare))]


def _words(line: str) -> Sequence[str]:
    """Columns set apart by blanks; a CSV line with a blank after its comma too."""
    return re.split(r"\s*,\s*" if re.fullmatch(r"[^\s,]+\s*,\s*[^\s,]+", line) else r"\s+", line)


def _header(cells: Sequence[str]) -> tuple[int, int | None, int]:
    """(place of the name, place of the number, lines to skip)."""
    words = [cell.lower() for cell in cells]
    name_at = next((words.index(word) for word in _NAME_HEADERS if word in words), None)
    if name_at is None or (len(cells) == 1 and words[0] not in _NAME_HEADERS):
        return 0, 1 if len(cells) == 2 and _count(cells[1]) is not None else None, 0
    return name_at, next((words.index(word) for word in _COUNT_HEADERS if word in words), None), 1


def _count(cell: str) -> int | None:
    if cell.isdecimal() and len(cell) <= 4:
        return int(cell)
    numbers = _GRES.findall(cell)
    return sum(map(int, numbers)) if numbers else None


# --- matching ---------------------------------------------------------------------------------------------------------


def matcher(nodes: Iterable[str]) -> Mapping[str, str]:
    """{lower-case spelling: the inventory's name}: whole names, and first labels that only one node has."""
    every = list(nodes)
    firsts: dict[str, list[str]] = {}
    for node in every:
        firsts.setdefault(node.lower().partition(".")[0], []).append(node)
    short = {first: found[0] for first, found in firsts.items() if len(found) == 1}
    return {**short, **{node.lower(): node for node in every}}


def named(known: Mapping[str, str], word: str) -> str | None:
    """The inventory's node that `word` means: a host name with or without its domain, or a file called after it
    ("node-1.3", "node-1-gpu3")."""
    name = word.lower()
    if name in known:
        return known[name]
    if (first := name.partition(".")[0]) in known:
        return known[first]
    for at in range(len(name) - 1, 0, -1):
        if name[at] in "._-" and name[:at] in known:
            return known[name[:at]]
    return None
