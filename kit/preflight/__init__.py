"""Checks and estimates before a run: data, base, ranges, servability, time and memory."""
