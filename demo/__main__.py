"""`python -m demo`: the story, or with --auto the story and a comparison of the end state.

`python -m demo sandbox`: the same embedded AWS for another terminal.
"""

# Standard library only until dependencies were found, and nothing that an old Python cannot even read.
import argparse
import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells an older Python's user
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit("Costwatch needs Python 3.11 or newer, this is " + found + ": run: make demo")

SABOTAGES = ("skip-warning", "skip-spot-cancel", "ignore-protection")


def main() -> int:
    """0: the end state is as expected. 1: something differs. 2: bad arguments or missing dependencies. 130: Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Run Costwatch's real functions over an embedded AWS and Slack, on a clock that runs fast.",
        epilog="Exit codes: 0 the end state is as expected, 1 something differs, 2 bad input.",
    )
    parser.add_argument(
        "what", nargs="?", choices=["sandbox"], help="no story: an AWS on 127.0.0.1 for another terminal, until Ctrl-C"
    )
    parser.add_argument("--auto", action="store_true", help="do not wait; print every check of the end state")
    parser.add_argument("--json", action="store_true", help="print nothing but the end state, as JSON (implies --auto)")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break it on purpose: the checks must notice")
    parser.add_argument("--page", metavar="FILE", help="keep what Slack received as a page, one HTML file")
    arguments = parser.parse_args()
    if arguments.what and (arguments.auto or arguments.json or arguments.sabotage or arguments.page):
        parser.error("a sandbox takes no options")
    if arguments.page and not os.path.isdir(os.path.dirname(arguments.page) or "."):  # noqa: PTH112, PTH120 - see above
        parser.error(f"--page: no such directory: {os.path.dirname(arguments.page)}")  # noqa: PTH120 - see above
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(variable, None)  # the embedded AWS knows no profiles, and a wrong one would end the demo
    try:
        from demo import sandbox  # noqa: PLC0415 - after the look at Python and arguments
        from demo.story import perform  # noqa: PLC0415 - the same
    except ModuleNotFoundError as missing:
        package = (missing.name or "").split(".")[0]
        if package == "demo":
            raise
        print(f"python -m demo needs {package}, which is not installed here: run: make demo", file=sys.stderr)
        return 2
    try:
        if arguments.what:
            return sandbox.stay()
        return perform(
            auto=arguments.auto or arguments.json,
            as_json=arguments.json,
            sabotage=arguments.sabotage,
            page_file=arguments.page,
        )
    except BrokenPipeError:  # `python -m demo | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
