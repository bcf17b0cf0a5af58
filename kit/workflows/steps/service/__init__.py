"""The steps of starting a service."""
