"""The contract: topics, events, rows, doors and keys as data. Imports no other package of ours."""
