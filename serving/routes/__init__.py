"""The routes of the service, one concept for each module."""
