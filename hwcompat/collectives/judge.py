"""What the ranks' findings of one case come to: one line that names ranks and elements. Pure: no torch, no clock.

A rank's finding is a mapping: rank, status (pass fail unsupported oom error), wrong (number of wrong elements), samples
([element, got, expected] of the first ones), checksum (CRC-32 of the result's bytes), changed (True: an input that must
stay as it was did not), detail.
"""

import re

from .operations import KINDS

GONE = re.compile(r"connection (closed|reset|refused)|broken pipe|\bpeer\b|remote process|socket|ncclRemote", re.I)
"""What backends say when another rank is no longer there."""

BAD = ("fail", "hang", "crash", "oom", "error")


def case_line(case, world, findings, truth, share_of, seconds=0.0):
    """The line of a case. `findings` is {rank: finding} of those that answered, or None of a rank that came and did not
    answer; a rank that never came is absent. `truth`: checksum of the exact answer where all ranks must get the same,
    else None. `share_of(rank, element)`: what a rank adds to a sum.
    """
    answered = {rank: _believed(found, truth) for rank, found in findings.items() if found is not None}
    missing = [rank for rank in range(world) if rank not in findings]
    stuck = sorted(rank for rank, found in findings.items() if found is None)
    status = _status(answered, missing, stuck)
    bad = [found for _, found in sorted(answered.items()) if found["status"] != "pass"] if status in BAD else []
    guessed = suspects(case, world, bad, share_of) if status == "fail" else missing or stuck
    return {
        "number": case.number, "collective": case.collective, "dtype": case.dtype, "elements": case.elements,
        "in_place": case.in_place, "root": case.root, "status": status, "seconds": round(seconds, 6), "ranks": bad,
        "suspects": guessed, "missing": missing, "stuck": stuck,
        "detail": _detail(status, bad, missing, stuck, guessed) or _said(answered),
    }  # fmt: skip


def _believed(found, truth):
    """A rank that calls its result right is believed if the checksum agrees."""
    if truth is None or found["status"] != "pass" or found["checksum"] == truth:
        return found
    return dict(found, status="fail", detail="its result has checksum %s, the exact answer %s"
                % (found["checksum"], truth))  # fmt: skip


def _status(answered, missing, stuck):
    seen = {found["status"] for found in answered.values()}
    if "oom" in seen:
        return "oom"
    if missing or stuck:
        gone = any(found["status"] == "error" and GONE.search(found["detail"]) for found in answered.values())
        return "crash" if gone else "hang"
    if "fail" in seen:
        return "fail"
    return seen.pop() if len(seen) == 1 else "error"


def suspects(case, world, bad, share_of):
    """The ranks that the pattern of wrong elements points at, if it points at any.

    One rank alone with a wrong result: that one. The same rank's data wrong in several results: the rank it comes from.
    A sum that is off by just one rank's share, in every wrong element: that rank was left out, or counted twice.
    """
    receivers = sorted(found["rank"] for found in bad)
    if len(receivers) == 1:
        return receivers
    samples = [(found["rank"], *sample) for found in bad for sample in found["samples"]]
    if not samples:
        return receivers
    kind = KINDS[case.collective]
    sources = {kind.source(case, world, element) for _, element, _, _ in samples}
    if sources == {None}:
        return _explaining(case, world, samples, share_of)
    return sorted(sources) if len(sources) == 1 else []


def _explaining(case, world, samples, share_of):
    """The ranks whose share alone, missing or doubled, explains every wrong sum."""
    offset = case.elements if case.collective == "reduce_scatter" else 0
    found = []
    for rank in range(world):
        shares = [share_of(rank, receiver * offset + element) for receiver, element, _, _ in samples]
        if all(share and _off_by(sample, share) for share, sample in zip(shares, samples)):
            found.append(rank)
    return found


def _off_by(sample, share):
    _, _, got, expected = sample
    return not isinstance(got, str) and abs(got - expected) == abs(share)


def _detail(status, bad, missing, stuck, guessed):
    if status == "fail":
        told = "; ".join(_wrong(found) for found in bad[:4])
        more = "; and %d more ranks" % (len(bad) - 4) if len(bad) > 4 else ""
        points = "; it points at rank %s" % _listed(guessed) if guessed else ""
        return told + more + points
    if status in ("hang", "crash"):
        what = [("rank %s never came", missing), ("rank %s came and did not return", stuck)]
        said = next((": " + found["detail"] for found in bad if found["detail"]), "")
        return "; ".join(text % _listed(ranks) for text, ranks in what if ranks) + said
    return "; ".join("rank %d: %s: %s" % (f["rank"], f["status"], f["detail"]) for f in bad[:4])


def _said(answered):
    return next((found["detail"] for found in answered.values() if found["detail"]), "")


def _wrong(found):
    if not found["samples"]:
        return "rank %d: %s" % (found["rank"], found["detail"])
    element, got, expected = found["samples"][0]
    return "rank %d got %s for %s at element %d (%d wrong)" % (
        found["rank"], _number(got), _number(expected), element, found["wrong"],
    )  # fmt: skip


def _number(value):
    return value if isinstance(value, str) else "%g" % value if value != int(value) else "%d" % value


def _listed(ranks):
    """ "0, 1, 2 and 5 more"."""
    more = " and %d more" % (len(ranks) - 8) if len(ranks) > 8 else ""
    return ", ".join(map(str, ranks[:8])) + more


def worst(statuses):
    """The status of a whole run: the worst one that is not `pass`, in the order of BAD; `unsupported` is no fault."""
    order = ("crash", "hang", "error", "oom", "fail", "pass")
    return next((status for status in order if status in statuses), "unsupported")
