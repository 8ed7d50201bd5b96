"""A report as one HTML page: no script, no request to anywhere, light and dark as the reader's system says."""

from __future__ import annotations

from costwatch.scan.report import Report


def render(report: Report) -> str:
    """The page's text."""
    return str(report.total)
