"""The JSON API of copy trading, one module a topic."""
