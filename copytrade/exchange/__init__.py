"""The spot exchange that copies are made at. The only package that imports ccxt.

`venue` talks to it, asynchronously, for all accounts of this process; `runner` is how code that is
not asynchronous gets there. Every failure leaves as one of agora.lib.outcome, with a code of
`reasons`.
"""
