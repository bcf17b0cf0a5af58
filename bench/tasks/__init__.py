"""Tasks that a base model is tried on: public sets, each with its classical baseline."""
