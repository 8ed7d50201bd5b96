"""Benchmarks, run by hand and by `make bench`: whole processes beside their peers, never timed tests."""
