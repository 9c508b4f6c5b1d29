"""Binance spot: REST under /binance/api/v3 and /binance/sapi/v1 (binance-spot-api-docs, 2026-07)."""
