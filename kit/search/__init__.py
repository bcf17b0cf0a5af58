"""Search: settings within the ranges that a recipe declares, tried side by side, and compared with its defaults."""
