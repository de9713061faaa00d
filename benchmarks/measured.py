"""Runs one command and prints its wall seconds and peak resident memory as JSON on the last line of stderr.

A process of its own, and a small one: what Linux reports as a child's peak includes what its parent had when it forked.
"""

import json
import os
import subprocess
import sys
import time

started = time.perf_counter()
with subprocess.Popen(sys.argv[1:]) as process:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "megabytes": usage.ru_maxrss / 1000}), file=sys.stderr)
sys.exit(process.returncode)
