"""The words: what can be said on a topic, in a row, at a door. Knows nothing of ours."""
