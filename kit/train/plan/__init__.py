"""Which rows make which step, and what they cost. Pure: no torch, no clock."""
