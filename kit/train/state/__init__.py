"""Checkpoints, signals and the conditions under which a run can be resumed."""
