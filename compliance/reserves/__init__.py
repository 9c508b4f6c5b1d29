"""Proof of reserve (RAT-003, PRE-1): docs/proof-of-reserve.md.

`snapshots` builds them; `sign_off`, `verification` and `exports` are what is done with one.
"""
