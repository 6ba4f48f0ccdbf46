"""Many machines, one answer: the files that probes leave behind, and what they say together.

shards.py                                     the file contract: one shard a GPU, written by any number of programs
card.py reading.py inventory.py gathering.py  from files to cards, and to those that are missing
robust.py outliers.py summary.py              the judgement, pure
telling.py rows.py                            the answer in words, as JSON, as rows of the matrix
engine.py driving.py task.py ray_engine.py    `fleet probe`: every GPU of a cluster once, each result a shard
stopping.py                                   Ctrl-C that gets through
ranks.py                                      `fleet collectives`: the ranks of one machine
"""
