"""Reference topics into their dimensions: what was read, from where to go on, which rows count."""
