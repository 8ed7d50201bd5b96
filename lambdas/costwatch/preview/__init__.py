"""What Costwatch would have meant for a team: read SageMaker's own job history, judge it, sum it up, show.

Left out of the Lambda asset. Needs no stack and no table, and changes nothing.
"""
