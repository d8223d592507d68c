"""Dead letters: finding them, and sending them to their topics again."""
