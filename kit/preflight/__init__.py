"""What can be known before a run: data, base, ranges, servability, time and memory."""
