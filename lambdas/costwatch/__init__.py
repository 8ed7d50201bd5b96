"""Costwatch: a serverless cost watchdog for ML training on AWS."""

__version__ = "0.2.0"
