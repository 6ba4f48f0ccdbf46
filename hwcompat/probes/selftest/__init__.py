"""Probes that misbehave on purpose, to prove that the runner blames the right one and loses nothing else.

Same format as the suite. They run only when a caller names this folder; never as evidence about a device.
"""
