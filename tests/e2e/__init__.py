"""The real CDK command line against the embedded AWS, and what it deployed, run from its own zip."""
