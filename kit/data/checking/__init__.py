"""What can be said about data before a run: counts, duplicates, labels, leaks, the ceiling."""
