"""From a master's order to the orders of all followers, durably (EXE-1)."""
