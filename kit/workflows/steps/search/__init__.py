"""The steps of `search`: the process that leads, and its workers."""
