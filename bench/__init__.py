"""Benches: one command for each headline figure, measured against a peer in the same run."""
