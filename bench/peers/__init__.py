"""What costwatch is measured beside: Cloud Custodian from PyPI, and a plain boto3 script of our own writing."""
