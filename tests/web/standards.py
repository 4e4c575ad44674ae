"""The outside standards, each a check that takes what the crawl found and returns what breaks it."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]  # it has no types

from tests.web.crawl import Found

HERE = Path(__file__).parent
VNU = HERE / "node_modules/vnu-jar/build/dist/vnu.jar"
LEAST_SCORES = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}
# Pages that are right to be 404 or 410.
_NOT_THERE = (404, 410)


@dataclass(frozen=True)
class Broken:
    """What breaks a standard, and where."""

    where: str
    what: str


def pages_of(found: Sequence[Found]) -> list[Found]:
    """Return the HTML pages."""
    return [one for one in found if one.media_type == "text/html"]


def feeds_of(found: Sequence[Found]) -> list[Found]:
    """Return the feeds."""
    return [one for one in found if one.path.endswith((".rss", ".atom", ".json"))]


def broken_links(found: Sequence[Found], not_there: Sequence[str]) -> Iterator[Broken]:
    """Every address that the site names answers, and those asked for on purpose answer that they are not there."""
    for one in found:
        expected = _NOT_THERE if one.path in not_there else (200,)
        if one.status not in expected:
            yield Broken(one.path, f"{one.status}, linked from {one.linked_from}")


def unlinked(found: Sequence[Found], published: Sequence[str]) -> Iterator[Broken]:
    """Links lead to every item, or the checks below are of half a site."""
    for path in {*published}.difference(one.path for one in found):
        yield Broken(path, "nothing links to it")


def nu_html_checker(pages: Sequence[Found]) -> Iterator[Broken]:
    """Nu HTML checker: no errors."""
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{number}.html": page for number, page in enumerate(pages)}
        for name, page in files.items():
            (Path(folder) / name).write_bytes(page.body)
        command = ["java", "-jar", str(VNU), "--format", "json", "--exit-zero-always", folder]
        answer = subprocess.run(command, check=True, capture_output=True)
    for message in json.loads(answer.stderr)["messages"]:
        if message["type"] != "info":
            where = files[Path(message["url"]).name].path
            yield Broken(where, f"{message['message']} {message.get('extract', '')!r}")


def feed_readers(feeds: Sequence[Found]) -> Iterator[Broken]:
    """Feedparser: no bozo; a JSON feed has what version 1.1 requires."""
    for feed in feeds:
        if feed.media_type == "application/feed+json":
            yield from (Broken(feed.path, what) for what in _json_feed_faults(json.loads(feed.body)))
            continue
        headers = {"content-type": f"{feed.media_type}; charset=utf-8"}
        parsed = feedparser.parse(feed.body, response_headers=headers)
        if parsed.bozo:
            yield Broken(feed.path, str(parsed.bozo_exception))


def _json_feed_faults(feed: dict[str, Any]) -> Iterator[str]:  # Any: JSON
    if feed.get("version") != "https://jsonfeed.org/version/1.1" or not feed.get("title"):
        yield "has no version or title"
    ids = [item.get("id") for item in feed["items"]]
    if len(set(ids)) != len(ids) or not all(isinstance(one, str) and one for one in ids):
        yield "has items without an id of their own"
    if not all("content_html" in item or "content_text" in item for item in feed["items"]):
        yield "has items without content"


def axe(base: str, pages: Sequence[Found], chromium: str) -> Iterator[Broken]:
    """axe-core: no violation, light and dark, 320 px and 1280 px; no sideways scrolling; the console stays empty."""
    for line in _node("axe.mjs", [base + page.path for page in pages], chromium):
        yield Broken(line["where"], line["what"])


def lighthouse(base: str, paths: Sequence[str], chromium: str) -> Iterator[Broken]:
    """Lighthouse on a phone: 100 for all but performance, and at least 98 for that."""
    for line in _node("lighthouse.mjs", [base + path for path in paths], chromium):
        low = {name: score for name, score in line["scores"].items() if score < LEAST_SCORES[name]}
        if low:
            yield Broken(line["where"], f"{low}: {'; '.join(line['failed'])}")


def _node(script: str, urls: Sequence[str], chromium: str) -> Iterator[dict[str, Any]]:  # Any: JSON
    node = shutil.which("node") or "node"
    answer = subprocess.run(
        [node, str(HERE / script)],
        input=json.dumps(urls).encode(),
        env={"CHROME_PATH": chromium, "PATH": "/usr/bin:/bin", "HOME": tempfile.gettempdir()},
        check=True,
        stdout=subprocess.PIPE,
    )
    for line in answer.stdout.splitlines():
        yield json.loads(line)
