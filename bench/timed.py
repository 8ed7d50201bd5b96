"""`python -I -S timed.py SECONDS STDOUT STDERR COMMAND...`: run it and print what it took, as JSON. Nothing else.

A process of its own, as small as Python gets: the kernel counts a child's peak memory from its fork on, so it is never
less than its parent's, and whoever compares results holds much more than what is measured.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def main() -> None:
    seconds, stdout, stderr, *command = sys.argv[1:]
    with open(stdout, "wb") as out, open(stderr, "wb") as err:  # noqa: PTH123 - pathlib is not worth its memory here
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )  # fmt: skip
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(float(seconds), kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    took = {
        "wall_seconds": wall,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,  # Linux counts in KiB
        "exit_code": process.returncode,
        "timed_out": timed_out.is_set(),
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main()
