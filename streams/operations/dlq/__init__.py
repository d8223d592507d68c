"""Dead letters: which there are, and the way back for the mended."""
