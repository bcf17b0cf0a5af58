"""The steps of an evaluation."""
