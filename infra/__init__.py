"""The CDK constructs of the stack, one file per capability.

Imports names, settings, topology, errors and config, never code that runs in a function.
"""
