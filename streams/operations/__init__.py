"""What a person does with a deployment; progress goes to callbacks, `streams.cli` prints it."""
