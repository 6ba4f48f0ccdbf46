"""Ends a rank whose collective does not come back. A thread of its own: the main one may be inside a call for ever."""

import os
import threading
import time

STUCK = 70
_LOOK_SECONDS = 0.2


class Watch(threading.Thread):
    """Calls `last_words(number)` and ends the process once case `number` has taken `seconds`.

    `over()`: True when another rank has already told what happened; then the process ends without a word.
    """

    def __init__(self, seconds, last_words, over):
        threading.Thread.__init__(self, daemon=True)
        self.seconds, self.last_words, self.over = seconds, last_words, over
        self.guarded = None  # (number, time at which it is overdue): replaced as a whole, so never half old

    def guard(self, number):
        """The main thread enters case `number`."""
        self.guarded = (number, time.monotonic() + self.seconds)

    def rest(self):
        """It is out again."""
        self.guarded = None

    def run(self):
        while True:
            time.sleep(_LOOK_SECONDS)
            guarded = self.guarded
            if guarded is None:
                continue
            if time.monotonic() < guarded[1] and not self.told_already():
                continue
            if not self.told_already():
                self.last_words(guarded[0])
            if self.guarded is guarded:
                os._exit(STUCK)

    def told_already(self):
        try:
            return self.over()
        except Exception:  # whoever serves the store is gone: what this rank has to say, it says when its time is up
            return False
