"""Files that no item changes: the theme's, the institution's media and standing pages, and robots.txt."""

from collections.abc import Mapping

import structlog

from services.render.output.files import UnusableName
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.pages.kinds import ROBOTS
from services.render.pages.sitemaps import robots

log = structlog.get_logger()


class SiteFiles:
    """What the site file and the theme bring along."""

    def __init__(self, edition: Edition) -> None:
        self._edition = edition

    def write(self, output: Output) -> set[str]:
        """Write the files and return their paths; log those whose place something else has."""
        static, pages = self._edition.theme.static_files(), self.pages()
        for path, content in static.items():
            _put(output, path, content, 0)  # such a path changes with its content
        for path, content in pages.items():
            _put(output, path, content, None)
        return {*static, *pages, *self.write_media(output)}

    def pages(self) -> Mapping[str, bytes]:
        """Return standing pages and robots.txt by their paths."""
        edition = self._edition
        pages = {
            page.path: edition.theme.standing_page(page.lang, page.slug, page.title, page.html)
            for page in edition.standing_pages.pages
        }
        return {**pages, ROBOTS: robots(edition.site, edition.base_url)}

    def write_media(self, output: Output) -> set[str]:
        """Write pictures and papers, and return their paths."""
        media = self._edition.media_folder
        paths = set()
        for file in sorted(media.rglob("*")) if media else ():
            path = "/media/" + file.relative_to(media or "").as_posix()
            if file.is_file() and "/." not in path:
                _put(output, path, file.read_bytes(), file.stat().st_mtime_ns)
                paths.add(path)
        return paths


def _put(output: Output, path: str, content: bytes, mtime_ns: int | None) -> None:
    try:
        output.write(path, content, mtime_ns)
    except UnusableName as fault:
        log.error("file.unusable", path=path, reason=str(fault))  # noqa: TRY400 - the reason says everything
