"""Local servers that speak the wire protocol of Alpaca paper v2, Fireblocks v1 and Binance spot v3.

One aiohttp process with books of its own and fault injection. It imports no app of the project and no
Django, and no app imports it: the product reaches it over HTTP only, with the vendors' own SDKs.
Start it with ``python -m agora.sandbox --help``; see docs/sandbox.md.
"""
