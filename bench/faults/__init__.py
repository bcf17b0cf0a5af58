"""Faults and what the service does about each, as functions for the bench `reliability` and for tests."""
