"""Pure functions that turn records into figures."""
