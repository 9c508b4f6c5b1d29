"""What people do in copy trading: each service owns its transaction and its audit row."""
