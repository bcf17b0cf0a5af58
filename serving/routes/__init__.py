"""The routes of the service, one concept per module."""
