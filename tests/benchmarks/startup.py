"""How long ``bluebatch --help`` takes: the best and the median of twenty fresh processes.

Usage: python tests/benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

N_RUNS = 20
LIMIT_SECONDS = 0.5


def seconds(*arguments: str) -> float:
    """Time one fresh process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print one line, and fail above the limit."""
    help_seconds = [seconds("-m", "bluebatch", "--help") for _ in range(N_RUNS)]
    bare_seconds = [seconds("-c", "pass") for _ in range(N_RUNS)]
    median = statistics.median(help_seconds)
    sys.stdout.write(
        f"bluebatch --help: best {min(help_seconds):.3f} s, median {median:.3f} s; "
        f"python alone: median {statistics.median(bare_seconds):.3f} s\n"
    )
    sys.exit(0 if median < LIMIT_SECONDS else 1)


if __name__ == "__main__":
    main()
