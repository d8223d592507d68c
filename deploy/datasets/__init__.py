"""Real data that nobody here wrote, as events: what became of every line, to the cent."""
