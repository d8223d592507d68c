"""The trainer: one process a deployment that computes in turns what others read."""
