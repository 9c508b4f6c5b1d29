"""Copy trading: strategies, subscriptions, replication, ledger and risk limits."""
