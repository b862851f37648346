"""The networks of docs/gallery, and their scores."""
