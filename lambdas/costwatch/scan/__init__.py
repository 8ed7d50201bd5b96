"""Looks at an account that knows nothing of Costwatch: read, judge by the defaults, fit a configuration, show.

Left out of the Lambda asset. Needs no stack, no table and no configuration file, and changes nothing.
"""
