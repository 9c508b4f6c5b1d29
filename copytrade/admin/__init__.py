"""Back office of copy trading: everything can be read, services alone change it."""
