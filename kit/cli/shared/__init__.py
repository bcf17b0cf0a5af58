"""What commands share: output, options, progress. Modules outside this folder are commands."""
