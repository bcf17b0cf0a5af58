"""domainkit: recipes that specialise an open language model, and prove that what was tested is what answers."""

__version__ = "0.1.0"
