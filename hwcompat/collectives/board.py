"""What the ranks tell each other beside the backend under test: a torch store, used without ever waiting inside it.

A store serves one call at a time, so a call that waited would keep the watch, or another thread, from asking.
"""

import json
import time


class Board:
    """Notices of one run, by a store of this thread's own."""

    def __init__(self, store):
        self.store = store

    def put(self, name, value):
        """Pin up a JSON value; a name is used once."""
        self.store.set(name, json.dumps(value))
        self.store.add(name + "!", 1)

    def seen(self, name):
        """The value of that name, None if nobody has put it up."""
        if not self._there(name + "!"):
            return None
        return json.loads(self.store.get(name))

    def wait(self, name, seconds):
        """`seen`, after at most `seconds`."""
        end, pause = time.monotonic() + seconds, 0.001
        while True:
            found = self.seen(name)
            if found is not None or time.monotonic() >= end:
                return found
            time.sleep(pause)
            pause = min(0.05, pause * 1.5)

    def _there(self, name):
        if hasattr(self.store, "check"):  # torch 2.3; reading leaves no trace, adding 0 makes a file store grow
            return self.store.check([name])
        return self.store.add(name, 0) > 0

    def begin(self, number, rank):
        """`rank` enters case `number`; -1 is the forming of the group."""
        self.store.add("begun/%d/%d!" % (number, rank), 1)

    def begun(self, number, rank):
        return self._there("begun/%d/%d!" % (number, rank))

    def answer(self, number, rank, finding):
        self.put("found/%d/%d" % (number, rank), finding)

    def answered(self, number, rank):
        return self.seen("found/%d/%d" % (number, rank))

    def leave(self, rank):
        """`rank` needs this board no more."""
        self.store.add("left/%d!" % rank, 1)

    def wait_for_leaving(self, ranks, seconds):
        """The rank that serves the store is the last to go."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(self._there("left/%d!" % rank) for rank in ranks):
            time.sleep(0.02)

    def findings(self, number, world, seconds):
        """{rank: finding, or None if it came and did not answer}, complete or after `seconds`.

        Once a rank has told of an error, the others have a few seconds: they will meet it too, or never answer.
        """
        end = time.monotonic() + seconds
        found = {}
        for rank in range(world):
            left = max(0.0, end - time.monotonic())
            found[rank] = self.wait("found/%d/%d" % (number, rank), left)
            if found[rank] is not None and found[rank]["status"] in ("error", "oom"):
                end = min(end, time.monotonic() + GRACE)
        for rank, finding in list(found.items()):
            if finding is None and not self.begun(number, rank):
                del found[rank]
        return found


GRACE = 5.0
"""Seconds in which the others meet the error that one rank has met."""
