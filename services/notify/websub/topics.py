"""Feeds as WebSub topics: which address names a feed, and its bytes as a reader would get them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from shared.model.urls import FEED_CONTENT_TYPES, MAX_PATH_CHARS, feed_path, link_header
from shared.runtime.lru import Lru

_FEED = re.compile(rf"(?P<list_path>(?:/[^/]+)+/)feed\.(?P<format>{'|'.join(FEED_CONTENT_TYPES)})")
# Archives hold old entries; they are no topics.
_ARCHIVE = re.compile(r"/\d{4}/\d{2}/(?:page/\d+/)?$")
_FEEDS_KEPT = 500


@dataclass(frozen=True)
class Topic:
    """A feed as it is now, with the headers it is pushed with."""

    path: str
    content: bytes
    content_type: str
    link: str
    digest: str


class TopicReader:
    """Reads feeds on the output volume. A feed that has not changed is not read again."""

    def __init__(self, output_dir: Path, base_url: str) -> None:
        self._root = output_dir
        self._base_url = base_url
        self._kept: Lru[str, tuple[tuple[int, int, int], Topic]] = Lru(_FEEDS_KEPT)

    def named(self, url: str) -> Topic | None:
        """Return the feed that an address names, or None if it names no feed of this site."""
        if not url.startswith(f"{self._base_url}/"):
            return None
        path = unquote(url.removeprefix(self._base_url))
        found = _FEED.fullmatch(path)
        if found is None or len(path) > MAX_PATH_CHARS or not path.isprintable():
            return None
        is_hidden = any(segment.startswith((".", "_")) for segment in path.split("/"))
        if is_hidden or self._is_archive(found["list_path"]):
            return None
        return self.read(path)

    def read(self, path: str) -> Topic | None:
        """Return the feed, or None where there is no feed, or no longer one."""
        file = self._root / path.lstrip("/")
        try:
            status = file.stat()
            # Files are replaced, never changed in place: a new one has a new inode, or another time.
            state = status.st_ino, status.st_mtime_ns, status.st_size
            kept = self._kept.get(path)
            if kept is None or kept[0] != state:
                kept = state, self._topic(path, file.read_bytes())
                self._kept.put(path, kept)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._kept.drop(path)
            return None
        return kept[1]

    def _is_archive(self, list_path: str) -> bool:
        found = _ARCHIVE.search(list_path)
        # A tag may look like a year, and its feed is a feed.
        return found is not None and self.read(feed_path(list_path[: found.start()] + "/", "rss")) is not None

    def _topic(self, path: str, content: bytes) -> Topic:
        content_type = FEED_CONTENT_TYPES[PurePosixPath(path).suffix.removeprefix(".")]
        digest = hashlib.sha256(content).hexdigest()
        return Topic(path, content, content_type, link_header(self._base_url, path), digest)
