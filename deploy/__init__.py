"""The machine it runs on."""
