"""The steps of `train` and `explain_step`: data and inputs, the scorer, the run and its bundle."""
