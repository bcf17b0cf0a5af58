"""Headline figures: each one is a command here, measured against its peer in the same run."""
