"""Programs of the repository itself: its environment and its documentation site."""
