"""Bundles: immutable, content-addressed folders to deploy, with their seals and the attestations about them."""
