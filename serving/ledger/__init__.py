"""What was used, by whom and of which bundle: a database of requests, and a log of what was done to the service."""
