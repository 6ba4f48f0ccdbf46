"""Watches the trainings of clients that own their loop: one client a file, imported only when it is used.

    from hwcompat import watching
    watching.ultralytics(model)                          # then model.train(...)
    Trainer(callbacks=[watching.lightning()])            # Lightning
    Trainer(..., callbacks=[watching.transformers()])    # Hugging Face

Each adapter marks the start and the end of the client's own step and hands over a function that does the same step
again; it is called only when a step went bad. Settings the adapters share: `on_finding` ("stop" or "continue") and
`report`, a function that is given the Finding. Standard library and torch, Python 3.8 syntax, like the whole island.
"""

from importlib import import_module

CLIENTS = ("ultralytics", "lightning", "transformers")


def adapter(client):
    """The module of one client."""
    if client not in CLIENTS:
        raise ValueError("no adapter for %r: there is one for %s" % (client, ", ".join(CLIENTS)))
    return import_module("." + client, __name__)
