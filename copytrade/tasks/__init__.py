"""Tasks of copy trading, one module a topic."""
