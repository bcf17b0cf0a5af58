"""What operators see of a service: metrics, logs and traces. None of them holds a word of a prompt or of an answer."""
