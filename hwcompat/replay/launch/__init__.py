"""Watches a training in a program that nobody wants to edit, from inside the interpreter that runs it.

`hwcompat diagnose -- python train.py` puts the folder boot/ on PYTHONPATH; its sitecustomize.py calls install() of
module `hooks`, which waits until torch, or a client with an adapter of its own, is imported. Standard library until
then, Python 3.8 syntax. torch 2.0 or newer is watched; of older ones it says that it is not.
"""
