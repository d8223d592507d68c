"""Sending files of events: reading lines, a check before anything is sent, and sending."""
