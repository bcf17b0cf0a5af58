"""Train the base model that ships with the kit: `python -m pretrain`.

No other package imports this one.
"""
