"""What templates share about text: windows over a document, its sentences, quotes in it, and the nearest known text."""
