"""Limits on what a client may send: the size of a dialogue, and the JSON schemas that are compiled."""
