"""The rules: pure functions over arrays and values."""
