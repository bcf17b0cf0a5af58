"""One optimiser step: batch, attention, loss, optimiser."""
