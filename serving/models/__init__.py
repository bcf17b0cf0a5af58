"""The models of a service: their engines, how they are verified, and which one answers a request."""
