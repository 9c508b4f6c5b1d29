"""What calls cost at Binance in request weight (docs: rest-api.md, per endpoint, 2026-07)."""

PLACE = 1
CANCEL = 1
REPLACE = 1
ORDER = 4
TRADES_OF_ORDER = 5
# Looking one order up, with its fills.
FIND = ORDER + TRADES_OF_ORDER
TRADES = 20
ORDERS = 20
OPEN_ORDERS_OF_SYMBOL = 6
OPEN_ORDERS = 80
BALANCES = 20
RIGHTS = 1
PRICES = 4
DAILY_CLOSES = 2
