"""What public brain data say, one study a file; figures.py runs them."""
