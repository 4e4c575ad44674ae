"""
How long healthy endpoints wait for an event when others hang, fail or have no address.

    python -m benchmarks.notify_bad_neighbours [--rounds 3]

1,000 endpoints, one event, 64 quick slots: 744 healthy ones alone, then the same beside 200 that hang, 50 that answer
503 and six whose names do not resolve (their name server is silent). Endpoints and engine share one process.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
from pathlib import Path

import structlog

from shared.http.server import collect_garbage_seldom
from tests.notify.delivery.neighbours import Neighbourhood, hear

HEALTHY = Neighbourhood(healthy=744)
MIXED = Neighbourhood(healthy=744, hanging=200, failing=50, without_address=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    collect_garbage_seldom()  # as the service does
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    ratios = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            alone = asyncio.run(hear(HEALTHY, Path(folder) / "alone"))
            among = asyncio.run(hear(MIXED, Path(folder) / "among"))
        ratios.append(among.p95 / alone.p95)
        print(f"p95 of the healthy: {alone.p95:.2f} s alone, {among.p95:.2f} s among bad ones, {ratios[-1]:.2f} times")
    print(f"median {statistics.median(ratios):.2f} times; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
