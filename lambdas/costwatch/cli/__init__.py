"""The operator's command line. Left out of the asset; nothing here calls a destructive API."""
