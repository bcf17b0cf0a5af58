"""Least and greatest values of the numbers that a workflow takes; its command has the same."""

THREADS = (1, 4096)
PEAK_TFLOPS = (1e-3, 1e6)
PRICE_PER_HOUR = (0.0, 1e6)
COPIES = (1, 20)
TEMPERATURE = (0.0, 2.0)
CONCURRENCY = (1, 64)
WORKERS = (1, 64)
