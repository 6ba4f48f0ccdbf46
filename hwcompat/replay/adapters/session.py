"""One watched training of a client: a Watch, and what a person is told when it finds something."""

import sys
from typing import Any, Dict, List

from ..rerun import distributed
from ..watcher import Watch
from . import faithful, remedies

FINDINGS = 3
"""With on_finding="continue", watching ends after so many findings: every further bad step would only repeat them."""


class Session:
    """Begins and ends the steps of a Watch on a client's behalf.

    `redo`: does a step again, see Watch.begin. `why_not`: why steps of this training cannot be run again; then a bad
    step is told of, without its cause. `report`: called with every finding, after it was printed to stderr.
    """

    def __init__(self, client, model, optimizer, scaler, redo, on_finding="stop", report=None, why_not="", **more):
        self.client, self.report, self.redo = client, report, redo
        if why_not:
            more["memory_limit"] = 0
        self.watch = Watch(model, optimizer, scaler, on_finding, **{**DEFAULTS, **more})
        if why_not:
            self.watch.notes[:] = ["the step cannot be run again: " + why_not]
        self.told = 0
        self.findings: List[Any] = []

    @property
    def stopped(self):
        """Whether the training is to end."""
        return bool(self.findings) and self.watch.on_finding == "stop" and not self.watch.closed

    def begin(self, *args):
        self.watch.begin(self.redo, *args)

    def end(self, result=None, error=None):
        if error is not None and distributed():  # other ranks did not raise, and would be waited for
            self.watch.abandon()
            return False
        explained = self.watch.end(result, error)
        self._tell()
        return explained

    def abandon(self):
        self.watch.abandon()

    def _tell(self):
        for finding in self.watch.findings[self.told :]:
            finding = remedies.in_words_of(self.client, faithful.checked(self.watch, finding))
            self.findings.append(finding)
            write(finding)
            if self.report is not None:
                self.report(finding)
                keep = getattr(self.report, "keep_capture", None)
                if keep is not None:
                    keep(self.watch)
        self.told = len(self.watch.findings)
        if self.told >= FINDINGS and self.watch.on_finding == "continue":
            self.watch.closed = True


DEFAULTS: Dict[str, Any] = {"extra_state": None, "memory_limit": 2 << 30, "seconds": 60.0}


def write(finding):
    """The finding for a person, on stderr."""
    lines = ("hwcompat: " + str(finding)).split("\n")
    try:
        sys.stderr.write("\n" + "\n".join(lines) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # a program may have closed it, or have none (pythonw)
        pass
