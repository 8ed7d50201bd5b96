"""`python -m bench.profiled --instances 10000`: where one sweep's CPU goes, by module, and its calls by operation.

By own time under cProfile, which makes everything slower and small functions most: read shares, not seconds.
"""

from __future__ import annotations
