"""A user's folder: the project, the templates it is copied from, and its runs."""
