"""Adapter folders: their format, and how they are attached to a model."""
