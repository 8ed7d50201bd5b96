"""`python -I -S timed.py SECONDS STDOUT STDERR COMMAND...`: run it and print what it took, as JSON.

It is killed, with its children, when its seconds are over or standard input closes.

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

        def kill_in_time() -> None:
            timed_out.set()
            os.killpg(process.pid, signal.SIGKILL)

        def kill_if_left() -> None:
            """Standard input closes when whoever wanted the figures is gone."""
            if not os.read(0, 1):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(float(seconds), kill_in_time)
        timer.start()
        threading.Thread(target=kill_if_left, daemon=True).start()
        _, status, usage = os.wait4(process.pid, 0)
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
