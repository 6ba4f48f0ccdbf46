"""The capture file: the operator at which a step went bad, small and safe enough to hand to somebody else."""


class CaptureError(ValueError):
    """A capture file that cannot be used; the message is one line."""


def load_capture(path):
    """A checked capture."""
    raise CaptureError("not yet")


def replay_capture(capture):
    """Replays it."""
    raise CaptureError("not yet")
