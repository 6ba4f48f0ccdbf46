"""The island: the probe suite and the worker that runs it.

Everything below this folder uses only the standard library and a torch module handed in as an argument, in Python 3.8
syntax, so that the worker runs in whatever interpreter the user trains with. It imports nothing of hwcompat.
"""
