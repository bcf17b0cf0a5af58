"""Code that several benches share."""
