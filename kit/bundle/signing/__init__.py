"""Signatures of bundles: who vouches for a bundle and for the attestations about it."""
