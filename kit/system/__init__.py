"""The machine and its operating system: facts, files, locks, threads, coroutines."""
