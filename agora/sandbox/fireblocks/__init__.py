"""Fireblocks v1: vault accounts, balances, TRANSFER and RAW transactions."""
