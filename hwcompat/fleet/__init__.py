"""Many machines, one answer: the files that probes leave behind, and what they say together.

shards.py    the file contract: one shard a GPU, written by any number of programs
"""
