"""Text functions that templates share: windows, sentences, finding quotes in a document, and the nearest known text."""
