"""What chanx costs, beside hand-written limits. Run with `python -m benchmarks`."""
