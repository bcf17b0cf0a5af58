"""The steps of the workflows. Modules here import what they need at the top; a workflow imports them when it runs."""
