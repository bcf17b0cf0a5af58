"""What a run reports: measurements, the audit, the recorder, and when to stop."""
