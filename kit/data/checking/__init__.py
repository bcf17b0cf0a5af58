"""Checks of data before a run: counts, duplicates, labels, leaks, the best score that is possible."""
