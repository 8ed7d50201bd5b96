"""`python -m costwatch.cli`: the command line where its script is not installed."""

from costwatch.cli.main import main

main(prog_name="costwatch")
