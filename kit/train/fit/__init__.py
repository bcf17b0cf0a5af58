"""Fits a run to the machine: memory, time, compiled layers."""
