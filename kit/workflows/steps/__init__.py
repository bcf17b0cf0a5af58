"""The steps of the workflows. They import what they need at the top; the facades above them stay light."""
