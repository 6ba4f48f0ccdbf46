"""Simulated faults written without sight of the probes; frozen since their first commit."""
