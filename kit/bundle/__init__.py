"""Bundles: the immutable, content-addressed deployable, its seal, and what is attested about it."""
