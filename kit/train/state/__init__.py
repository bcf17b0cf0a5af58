"""What a run keeps so that it can be resumed."""
