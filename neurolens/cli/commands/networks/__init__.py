"""What models are, and whether they can be recorded."""
