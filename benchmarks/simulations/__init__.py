"""Simulations that check the statistics where the truth is known, one study a file."""
