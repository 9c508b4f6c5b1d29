"""Account pages of our own."""
