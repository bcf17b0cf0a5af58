"""Fit a run to the machine: measure memory and time before the first step."""
