"""Forms of copy trading: shape only; the rules are in copytrade.services."""
