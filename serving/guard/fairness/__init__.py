"""Fairness: whose turn it is, in the line of requests and in the engines."""
