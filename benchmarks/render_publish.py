"""
What one publish costs in archives of different sizes.

For each size: fill a store with a generated archive over 120 months, build the site, then publish documents one by one
(one tag, no translation) and measure the time until page and column can be read, the files written and the processor
time of the render process; beside it, in the same run, forty bare renames on the same disk.

    python -m benchmarks.render_publish --sizes 1000,10000 --publishes 200 --output /dev/shm/clarion
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from benchmarks.render_archive import Archive, an_archive, files_written, ms, percentile, publish, take
from tests.factories import SITE_TOML

RENAMES = 40
WARM_UP = 5


@dataclass
class Cost:
    """What publishing into one archive cost, publish by publish."""

    waits: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)


async def publish_one(archive: Archive, name: str, cost: Cost) -> None:
    """Publish a document, note what it cost and see that it can be read, in the column beside other pages too."""
    root = archive.settings.output_dir
    started = time.perf_counter()
    path = await publish(archive, name)
    entries = await take(archive.redis)
    processor, files = time.process_time(), files_written()
    await archive.rendering.consumer.on_item_events(entries)
    cost.processor.append(time.process_time() - processor)
    cost.waits.append(time.perf_counter() - started)
    cost.files.append(files_written() - files)
    assert (root / path.lstrip("/") / "index.html").is_file()
    assert f"Order {name}" in (root / "_fragments/en/latest.html").read_text()


def bare_renames(folder: Path) -> float:
    """Return the median time of replacing so many files of 20 kB by renaming others onto them."""
    took = []
    content = os.urandom(20_000)
    targets = [folder / f"clarion-benchmark-{number}" for number in range(RENAMES)]
    for target in targets:
        target.write_bytes(content)
    for _ in range(20):
        started = time.perf_counter()
        for target in targets:
            beside = target.with_suffix(".new")
            beside.write_bytes(content)
            beside.replace(target)
        took.append(time.perf_counter() - started)
    for target in targets:
        target.unlink()
    return statistics.median(took)


async def run(sizes: Sequence[int], publishes: int, output: Path, *, is_built: bool) -> None:
    """Fill the archives and publish into them by turns, so that all meet the same machine."""
    async with contextlib.AsyncExitStack() as stack:
        archives = {}
        for size in sizes:
            started = time.perf_counter()
            archives[size] = await stack.enter_async_context(an_archive(size, SITE_TOML, output))
            filled = time.perf_counter()
            await archives[size].rendering.ticker.tick()
            if is_built:
                await archives[size].rendering.rebuild.run()
            built = time.perf_counter()
            print(f"{size} items: filled in {filled - started:.1f} s, site built in {built - filled:.1f} s")
        costs = {size: Cost() for size in sizes}
        for number in range(WARM_UP):
            for archive in archives.values():
                await publish_one(archive, f"warm-{number}", Cost())
        for number in range(publishes):
            for size, archive in archives.items():
                await publish_one(archive, f"new-{number}", costs[size])
        for size, cost in costs.items():
            tell(size, cost)
        smallest, largest = (statistics.median(costs[size].processor) for size in (min(sizes), max(sizes)))
        print(f"processor time, largest / smallest: {largest / smallest:.2f}; load {os.getloadavg()[0]:.1f}")
        print(f"{RENAMES} bare renames on {output}: {ms(bare_renames(output))}")


def tell(size: int, cost: Cost) -> None:
    """Print what publishing into an archive of this size cost."""
    processor = f"mean {ms(statistics.mean(cost.processor))}  p50 {ms(statistics.median(cost.processor))}"
    print(f"{size} items, {len(cost.waits)} publishes:")
    print(f"  to readable: p50 {ms(statistics.median(cost.waits))}  p99 {ms(percentile(cost.waits, 99))}")
    print(f"  processor time of render: {processor}")
    print(f"  files written: most {max(cost.files)}  median {statistics.median(cost.files):.0f}")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--publishes", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--unbuilt", action="store_true", help="write only those old pages that lists name")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    chosen.output.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in chosen.sizes.split(",")]
    asyncio.run(run(sizes, chosen.publishes, chosen.output, is_built=not chosen.unbuilt))


if __name__ == "__main__":
    main()
