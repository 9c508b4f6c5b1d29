"""Benchmarks: Agora against the least possible work on the same machine, in the same run.

`make bench` runs all of them, `make bench BENCH=name` one; docs/performance.md says what each means.
"""
