"""The third island: do the collectives of this backend give the exact answer on every rank?

Standard library and torch only, Python 3.8 syntax, nothing of hwcompat: the ranks run in whatever interpreter trains.
`__main__.py` says how they are started and what they write.

exact.py       integers whose every partial sum is exact, and the answers
operations.py  the collectives: what each rank gives, what it must get, whose share an element is
plan.py        which cases are run, in which sizes
judge.py       what the ranks' findings come to: which rank and which element is wrong (pure)
board.py       what the ranks tell each other beside the backend under test
watch.py       ends a rank whose collective does not come back, and says who never arrived
place.py       which rank this is, as torchrun, Slurm, Open MPI or the command line tell it
worker.py      one rank from its start to its end
"""
