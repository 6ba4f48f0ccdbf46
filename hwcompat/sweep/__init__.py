"""Finds the fastest correct torch build for this machine: every build that can run is installed, probed and timed.

planning    which builds can run here, in which order, and why the others cannot (pure)
sources     where the wheels of a build may come from (pure)
installer   throw-away environments, made by uv
disk        what they may occupy
clock       the training step, timed at one batch in every build
ledger      what is done already: one file a candidate
engine      one candidate after the other
choice      the fastest correct build, and why (pure)
telling     the table (pure)
setting_up  one environment that stays
"""
