"""Converts a user's table (CSV, XLSX, JSONL) to examples of a task."""
