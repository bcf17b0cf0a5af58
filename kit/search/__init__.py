"""Search for better settings within the ranges that a recipe declares, in parallel, and compare with its defaults."""
