"""Puts the outcomes of scripts/detection_matrix.py into words: text, markdown, JSON and the list of gaps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from detection_baselines import NAMES
from detection_faults import Fault
from detection_run import Outcome, Task


@dataclass
class Result:
    set: str
    score: bool
    faults: list[Fault]
    suite: Any
    found: dict[str, dict[Task, Outcome]]
    baselines: dict[str, dict[str, bool]]

    def catchers(self, fault: Fault) -> list[str]:
        """Probes that caught it."""
        return sorted({task[0] for task, outcome in self.found[fault.name].items() if outcome.caught})

    @property
    def missed(self) -> list[Fault]:
        return [fault for fault in self.faults if not self.catchers(fault)]

    def inert(self, fault: Fault) -> bool:
        """No probe made it alter anything."""
        hits = [outcome.hits for outcome in self.found[fault.name].values()]
        return all(count == 0 for count in hits)


# --- derived ----------------------------------------------------------------------------------------------------------


def parts(result: Result) -> list[tuple[str, list[Fault]]]:
    """The whole set, or its development and its held-out part apart."""
    hidden = [fault for fault in result.faults if fault.held_out]
    if not hidden:
        return [("faults", result.faults)]
    return [("development", [f for f in result.faults if not f.held_out]), ("held out", hidden)]


def single(result: Result) -> dict[str, list[str]]:
    """{probe: faults that it alone catches}."""
    found = defaultdict(list)
    for fault in result.faults:
        catchers = result.catchers(fault)
        if len(catchers) == 1:
            found[catchers[0]].append(fault.name)
    return dict(found)


def cover(result: Result) -> list[tuple[str, int]]:
    """(probe, faults it adds), greedily the largest first: small, not provably the smallest."""
    left = {fault.name: set(result.catchers(fault)) for fault in result.faults}
    chosen = []
    while any(left.values()):
        counts: dict[str, int] = defaultdict(int)
        for catchers in left.values():
            for probe in catchers:
                counts[probe] += 1
        best = max(sorted(counts), key=counts.__getitem__)
        chosen.append((best, counts[best]))
        left = {name: catchers for name, catchers in left.items() if best not in catchers}
    return chosen


def score_lines(result: Result) -> list[str]:
    lines = []
    for name, faults in parts(result):
        caught = sum(bool(result.catchers(fault)) for fault in faults)
        lines.append(f"{name}: {caught} of {len(faults)} caught")
        compared = [fault for fault in faults if fault.name in result.baselines]
        for baseline in NAMES if compared else ():
            hits = sum(result.baselines[fault.name][baseline] for fault in compared)
            lines.append(f"{name}, baseline {baseline}: {hits} of {len(compared)}")
    return lines


def miss_line(result: Result, fault: Fault) -> str:
    outcomes = result.found[fault.name]
    odd = sorted({o.status for o in outcomes.values()} & {"error", "broken"})
    if not outcomes:
        why = "no probe calls it"
    elif result.inert(fault):
        why = f"{len(outcomes)} runs, altered nothing"
    else:
        why = f"{len(outcomes)} runs"
    return f"{fault.name}: {fault.description} ({why}{', ' + ' '.join(odd) if odd else ''})"


# --- text and markdown ------------------------------------------------------------------------------------------------


def text(result: Result) -> str:
    lines = [f"{len(result.suite.healthy)} tasks on the healthy machine, {len(result.suite.alarms)} alarms"]
    lines += [f"  {p} {d}: {o.status} {o.case}: {o.detail}" for (p, d), o in result.suite.alarms.items()]
    lines += score_lines(result)
    if result.set != "operators":
        lines += ["", "missed:", *[f"  {miss_line(result, fault)}" for fault in result.missed]]
    if not result.score:
        lines += ["", "caught by one probe alone:"]
        lines += [f"  {probe}: {', '.join(names)}" for probe, names in sorted(single(result).items())]
        lines += ["", "greedy cover: " + ", ".join(f"{probe} (+{n})" for probe, n in cover(result))]
    errors = sorted({(p, o.detail) for f in result.found.values() for (p, _), o in f.items() if o.status == "error"})
    lines += ["", "errors, which are bugs of probes:"] + [f"  {probe}: {detail[:160]}" for probe, detail in errors]
    return "\n".join(lines)


def markdown(result: Result) -> str:
    lines = [f"## Faults: {result.set}", ""]
    lines += [f"- {line}" for line in score_lines(result)]
    lines += [f"- {len(result.suite.alarms)} alarms in {len(result.suite.healthy)} runs on the healthy machine", ""]
    lines += ["| fault | what is wrong | caught by | forward-only | any NaN | all NaN |", "|---|---|---|---|---|---|"]
    for fault in result.faults:
        catchers = result.catchers(fault)
        shown = ", ".join(catchers[:6]) + (f" and {len(catchers) - 6} more" if len(catchers) > 6 else "")
        beside = result.baselines.get(fault.name)
        marks = [("yes" if beside[name] else "no") if beside else "" for name in NAMES]
        row = [f"`{fault.name}`", fault.description.replace("|", "/"), shown or "**missed**", *marks]
        lines.append("| " + " | ".join(row) + " |")
    if not result.score:
        lines += ["", "### Faults that one probe alone catches", ""]
        lines += [f"- `{probe}`: {', '.join(names)}" for probe, names in sorted(single(result).items())]
        lines += ["", "### Greedy cover", "", ", ".join(f"`{probe}` (+{n})" for probe, n in cover(result))]
    lines += ["", "### Missed", "", *[f"- {miss_line(result, fault)}" for fault in result.missed]]
    return "\n".join(lines) + "\n"


def as_json(result: Result) -> dict[str, Any]:
    return {
        "set": result.set,
        "healthy": {" ".join(task): outcome.status for task, outcome in result.suite.healthy.items()},
        "score": score_lines(result),
        "faults": {
            fault.name: {
                "description": fault.description,
                "held_out": fault.held_out,
                "caught_by": result.catchers(fault),
                "baselines": result.baselines.get(fault.name),
                "outcomes": {" ".join(t): [o.status, o.case, o.hits] for t, o in result.found[fault.name].items()},
            }
            for fault in result.faults
        },
    }


def witnesses(result: Result) -> str:
    """CSV: fault, probe, dtype: of those that catch it the one that takes least time."""
    lines = ["fault,probe,dtype"]
    for fault in result.faults:
        caught = [(o.seconds, *task) for task, o in result.found[fault.name].items() if o.caught]
        if caught and not fault.is_environment:
            lines.append(",".join((fault.name, *min(caught)[1:])))
    return "\n".join(lines) + "\n"


# --- gaps of the operators set ----------------------------------------------------------------------------------------

FAMILIES = (
    ("convolution", "conv|slow_"),
    ("matmul", "^(mm|addmm|bmm|baddbmm|mv|addmv|dot|linear|einsum)"),
    ("attention, softmax, recurrent", "attention|softmax|lstm|gru|rnn|mkldnn"),
    ("normalisation", "norm"),
    ("optimizer and AMP", "foreach|fused|amp_|addcdiv|addcmul|lerp"),
    ("pooling, upsampling, padding", "pool|upsample|pad|grid|im2col|col2im|interpol"),
    (
        "index, layout, order",
        "index|scatter|gather|embedding|cat|stack|sort|topk|flip|roll|copy|clone|contig|select|slice|masked|where|"
        "repeat|tril|triu|unfold|take|put|constant|diag|split|fill|zero|one|full|arange|linspace|new_|scalar|eye",
    ),
    ("loss", "loss|cross_entropy|ctc|kl_|huber|bce|nll"),
    ("reduction", "sum|mean|prod|max|min|std|var|any|all|cumsum|logsumexp|amax|amin|arg"),
    ("elementwise", ""),
)


def family_of(operator: str) -> str:
    return next(name for name, pattern in FAMILIES if re.search(pattern, operator))


def gaps(result: Result) -> str:
    """What of the operators set nobody covers, by family: first what no probe calls, then what is not noticed."""
    rows: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for fault in result.faults:
        operator, number, dtype, change = fault.name.split("/")
        rows[f"{operator}/{number}"][dtype]  # every operator is named, covered or not
        if not result.catchers(fault):
            why = "" if not result.inert(fault) else " (not reached)"
            called = "" if result.found[fault.name] else "uncalled"
            rows[f"{operator}/{number}"][dtype].append(called or change + why)
    families: dict[str, list[str]] = defaultdict(list)
    for name, dtypes in rows.items():
        found = [f"{dtype}: {short(missed)}" for dtype, missed in dtypes.items() if missed]
        if found:
            families[family_of(name.split("/")[0])].append(f"- `{name}` {'; '.join(found)}")
    lines = [LEGEND, *score_lines(result), ""]
    for family in sorted(families):
        lines += [f"## {family}", "", *sorted(families[family]), ""]
    return "\n".join(lines)


LEGEND = """# Operators of real training that the suite does not cover

`operator/result dtype: changes nobody notices`. "uncalled": no probe calls the operator in this dtype at all.
"not reached": it is called, but never in this way (layout, odd size, second call). A lone "ulp" is legal for operators
that are judged by an interval.
"""


def short(missed: Iterable[str]) -> str:
    found = list(missed)
    return "uncalled" if "uncalled" in found else ", ".join(found)
