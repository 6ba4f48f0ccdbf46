"""Run by the tests inside a client's environment: the `yolo` command line itself, with the network out of reach.

A download would hide that the configuration asked for one: amp on starts a self-check that fetches weights.
"""

import socket
import sys


def refuse(*arguments, **options):
    raise OSError("no network in this test")


socket.socket.connect = refuse
socket.getaddrinfo = refuse

from ultralytics.cfg import entrypoint  # noqa: E402

sys.argv = ["yolo", *sys.argv[1:]]
entrypoint()
