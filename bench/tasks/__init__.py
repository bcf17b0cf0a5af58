"""Tasks for measuring a base model: public data sets, each with a classical baseline."""
