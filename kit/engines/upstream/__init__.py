"""The engine that asks another server over HTTP."""
