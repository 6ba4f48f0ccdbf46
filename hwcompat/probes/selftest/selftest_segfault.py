"""Ends the process as a bad memory access does: by SIGSEGV, on Windows with the code of an access violation."""

import ctypes
import os
import signal

GROUP = "selftest"
LEVEL = "quick"
DTYPES = ("float32",)
FEEDS = ""
SECONDS = 0.01


def cases(ctx):
    yield "segfault", misbehave


def misbehave():
    if os.name == "nt":
        # Reading a bad address through ctypes is an OSError there; this ends the process with the same code.
        windll = getattr(ctypes, "windll")  # noqa: B009 - only Windows has it
        windll.kernel32.TerminateProcess(ctypes.c_void_p(-1), 0xC0000005)
    os.kill(os.getpid(), signal.SIGSEGV)
