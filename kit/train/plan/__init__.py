"""Plan every step: its rows, its micro-batches and their cost. Pure: no torch, no clock."""
