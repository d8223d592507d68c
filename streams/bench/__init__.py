"""CPU per event of our worker beside others on the same broker and the same input."""
