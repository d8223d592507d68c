"""What a person does with a deployment, without a screen; `streams.cli` is a face over it."""
