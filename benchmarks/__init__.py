"""Benchmarks: one module per question. `python -m benchmarks` runs them and writes docs/benchmarks.md.

A module has a docstring that says what is measured and what biases it, and `measure() -> list[Table]`.
"""
