"""The typed routes of the tasks."""
