"""Engines: what generates and scores. `base` is the protocol; each other module is one engine."""
