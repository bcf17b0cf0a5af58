"""Who may call the service, and how much: keys, scopes, limits."""
