"""The output volume: files appear whole, and locks hold between processes."""

import asyncio
import hashlib
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from services.render.output.atomic_file import UNFINISHED
from services.render.output.exchange import can_exchange, exchange
from services.render.output.files import UnusableName
from services.render.output.volume import Output

MTIME_NS = 1_700_000_000_000_000_007


@pytest.fixture(params=[None, False], ids=["as the volume can", "by renaming"])
def output(tmp_path: Path, request: pytest.FixtureRequest) -> Output:
    return Output(tmp_path / "output", exchanges=request.param)


def test_a_path_with_a_slash_at_its_end_is_read_from_an_index_file(output: Output, tmp_path: Path) -> None:
    output.write("/en/news/", b"page", MTIME_NS)
    output.write("/en/news/feed.rss", b"feed", MTIME_NS)

    assert (tmp_path / "output/en/news/index.html").read_bytes() == b"page"
    assert (tmp_path / "output/en/news/feed.rss").read_bytes() == b"feed"
    assert sorted(output.paths()) == ["/en/news/", "/en/news/feed.rss"]


def test_a_file_has_the_time_of_its_data(output: Output) -> None:
    output.write("/en/", b"page", MTIME_NS)

    assert output.mtime_ns("/en/") == MTIME_NS


def test_what_is_there_already_is_not_written_again(output: Output) -> None:
    assert output.write("/en/", b"page", MTIME_NS)
    before = output.file_of("/en/").stat().st_ino

    assert not output.write("/en/", b"page", MTIME_NS + 1)

    assert output.file_of("/en/").stat().st_ino == before
    assert output.mtime_ns("/en/") == MTIME_NS + 1


def test_a_reader_who_has_the_file_open_reads_it_whole_while_it_is_replaced(output: Output) -> None:
    output.write("/en/", b"old" * 1000, MTIME_NS)
    with output.file_of("/en/").open("rb") as reading:
        first = reading.read(10)
        output.write("/en/", b"new" * 1000, MTIME_NS)
        rest = reading.read()

    assert first + rest == b"old" * 1000
    assert output.read("/en/") == b"new" * 1000


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(output: Output) -> None:
    output.write("/en/", b"old", MTIME_NS)

    with pytest.raises(TypeError):
        output.write("/en/", "not bytes", MTIME_NS)  # type: ignore[arg-type]

    assert output.read("/en/") == b"old"
    assert [file.name for file in output.file_of("/en/").parent.iterdir()] == ["index.html"]


def test_old_bytes_under_an_unfinished_name_are_no_hindrance(output: Output) -> None:
    output.write("/en/", b"first", MTIME_NS)
    output.write("/en/", b"second", MTIME_NS)
    left_behind = output.file_of("/en/").with_name(_unfinished_name("index.html"))
    left_behind.write_bytes(b"old bytes that somebody reads")

    with left_behind.open("rb") as reading:
        assert output.write("/en/", b"third", MTIME_NS)
        assert reading.read() == b"old bytes that somebody reads"

    assert output.read("/en/") == b"third"
    assert [file.name for file in output.file_of("/en/").parent.iterdir()] == ["index.html"]


def test_a_folder_where_a_file_belongs_is_not_exchanged_for_it(output: Output) -> None:
    (output.file_of("/en/") / "in the way").mkdir(parents=True)

    with pytest.raises(UnusableName):
        output.write("/en/", b"page", MTIME_NS)

    assert (output.file_of("/en/") / "in the way").is_dir()
    assert [file.name for file in output.file_of("/en/").parent.iterdir()] == ["index.html"]


def test_names_are_exchanged_only_where_both_files_are_there(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    if not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange names")

    with pytest.raises(FileNotFoundError):
        exchange(one, other)
    other.write_bytes(b"2")
    exchange(one, other)

    assert (one.read_bytes(), other.read_bytes()) == (b"2", b"1")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "other"]


def test_what_was_written_since_a_moment_is_found_though_its_time_is_old(output: Output) -> None:
    output.write("/en/", b"page", 1)
    output.write("/ru/", b"page", 1)
    time.sleep(0.02)
    since = output.now_ns()

    output.write("/en/", b"another", 1)
    output.write("/en/feed.rss", b"feed", 1)

    assert sorted(output.changed_since(since)) == ["/en/", "/en/feed.rss"]


def _unfinished_name(name: str) -> str:
    return UNFINISHED + hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


async def test_what_a_killed_process_left_unfinished_is_swept_and_nothing_that_is_being_written(
    output: Output, tmp_path: Path
) -> None:
    writer = await _stuck_writer(tmp_path / "output")
    writer.send_signal(signal.SIGSTOP)
    output.write("/en/news/", b"page", MTIME_NS)

    while_frozen = output.sweep_unfinished()
    writer.kill()
    await writer.wait()
    afterwards = output.sweep_unfinished()

    assert (while_frozen, afterwards) == (0, 1)
    assert [file.name for file in (tmp_path / "output/en").rglob("*") if file.is_file()] == ["index.html"]


async def test_unfinished_files_are_none_of_the_site(output: Output, tmp_path: Path) -> None:
    output.write("/en/", b"page", MTIME_NS)
    (tmp_path / "output/en/.new-abc").write_bytes(b"half a pa")

    assert list(output.paths()) == ["/en/"]


def test_removing_a_page_removes_the_folders_it_leaves_empty(output: Output, tmp_path: Path) -> None:
    output.write("/en/news/2026/05/a/", b"a", MTIME_NS)
    output.write("/en/news/feed.rss", b"feed", MTIME_NS)

    assert output.remove("/en/news/2026/05/a/")

    assert not (tmp_path / "output/en/news/2026").exists()
    assert output.read("/en/news/feed.rss") == b"feed"
    assert not output.remove("/en/news/2026/05/a/")


async def test_a_lock_is_held_by_one_at_a_time(output: Output) -> None:
    inside = most = 0

    async def hold() -> None:
        nonlocal inside, most
        async with output.locked("items", ["/a/", "/b/"]):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(hold() for _ in range(20)))

    assert most == 1


async def test_locks_taken_in_different_orders_never_wait_in_a_circle(output: Output) -> None:
    paths = [f"/{number}/" for number in range(30)]

    async def hold(wanted: list[str]) -> None:
        async with output.locked("items", wanted):
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(*(hold(paths if number % 2 else paths[::-1]) for number in range(10)))


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
async def test_a_lock_is_free_when_its_holder_is_gone(output: Output, tmp_path: Path, signal_number: int) -> None:
    holder = await _holder(tmp_path / "output")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), output.locked("items", ["/a/"]):
            pass
    holder.send_signal(signal_number)
    await holder.wait()

    async with asyncio.timeout(10), output.locked("items", ["/a/"]):
        pass


async def test_a_frozen_holder_keeps_its_lock_until_it_goes_on(output: Output, tmp_path: Path) -> None:
    holder = await _holder(tmp_path / "output")
    holder.send_signal(signal.SIGSTOP)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), output.locked("items", ["/a/"]):
            pass

    holder.send_signal(signal.SIGCONT)
    assert holder.stdin is not None
    holder.stdin.write(b"\n")
    async with asyncio.timeout(10), output.locked("items", ["/a/"]):
        pass
    await holder.wait()


async def _holder(root: Path) -> asyncio.subprocess.Process:
    """Start a process that holds the lock of `/a/` until it reads a line, and wait until it does."""
    program = f"""
        import asyncio, pathlib, sys
        from services.render.output.volume import Output

        async def main():
            async with Output(pathlib.Path({str(root)!r})).locked("items", ["/a/"]):
                print("held", flush=True)
                sys.stdin.readline()

        asyncio.run(main())
    """
    return await _process_that_says("held", program)


async def _stuck_writer(root: Path) -> asyncio.subprocess.Process:
    """Start a process that writes a page and never gets to giving it its name."""
    program = f"""
        import pathlib, sys
        from services.render.output.volume import Output

        class TimeThatIsNeverTold(int):
            def __divmod__(self, other):
                print("writing", flush=True)
                sys.stdin.readline()

        Output(pathlib.Path({str(root)!r})).write("/en/", b"new", TimeThatIsNeverTold(0))
    """
    return await _process_that_says("writing", program)


async def _process_that_says(word: str, program: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode() == f"{word}\n"
    return process
