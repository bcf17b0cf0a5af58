"""How the tables of the ledger came to be, step by step; Alembic applies what a database lacks."""
