"""How the base model that ships with the kit is made: `python -m pretrain`.

Nothing else in the kit imports this package.
"""
