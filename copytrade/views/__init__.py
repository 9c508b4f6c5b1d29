"""Pages of copy trading, one module a topic."""
