"""Evaluation: tuned model, base and classical baseline on the same examples; what got worse; gates; attestation."""
