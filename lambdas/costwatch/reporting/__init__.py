"""What happened, from the ledger, as one page: spend, forecasts, would-haves with their truth, decisions, verdicts.

Left out of the Lambda asset. Only reads.
"""
