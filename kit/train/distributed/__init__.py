"""Training in several processes: collective operations, and sharded weights."""
