"""Tables of a user's own (CSV, XLSX, JSONL) as examples of a task."""
