"""An edition as files make it: a render's own, or those that the volume keeps of an accepted edition."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.pages.edition import Edition
from services.render.search.index import INDEX_VERSION
from services.render.theme.standing_pages import StandingPages, load_standing_pages
from services.render.theme.theme import Theme
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.site_file import Site, load_site
from shared.runtime.settings import Settings
from shared.store.site_record import SiteRecord


@dataclass(frozen=True)
class Code:
    """What an edition depends on of the program itself: another release may write any page in another way."""

    feed_formats: Sequence[FeedFormat] = FEED_FORMATS
    kinds: Sequence[SectionKind] = SECTION_KINDS


@dataclass(frozen=True)
class EditionFiles:
    """The files of an edition, and the settings that stand in its pages."""

    site_file: Path
    theme: Path | None
    """The folder of the theme; None where the site has none of its own."""
    pages: Path | None
    media: Path | None
    base_url: str
    rsscloud: bool

    @classmethod
    def of(cls, settings: Settings, code: Code) -> "EditionFiles":
        """Return the files that the settings name. Raises UnusableSiteFile."""
        site = load_site(settings.site_file, code.kinds)
        return cls(
            settings.site_file,
            site.theme_folder,
            site.pages_folder,
            site.media_folder,
            settings.base_url,
            settings.rsscloud,
        )


@dataclass(frozen=True)
class EditionDraft:
    """An edition before the store has given it a number."""

    files: EditionFiles
    site: Site
    theme: Theme
    standing_pages: StandingPages
    feed_formats: Sequence[FeedFormat]

    @property
    def release(self) -> str:
        """What tells whether another process may have this edition: its program must be the same."""
        return _hash(
            version("clarion"),
            str(INDEX_VERSION),
            self.theme.shipped_fingerprint,
            *(one.name for one in self.feed_formats),
        )

    @cached_property
    def fingerprint(self) -> str:
        more = ("rsscloud",) if self.files.rsscloud else ()
        made_of = (self.site.fingerprint, self.theme.fingerprint, self.standing_pages.fingerprint)
        # The address of the site stands in every page.
        return _hash(*made_of, self.files.base_url, self.release, *more)

    def numbered(self, record: SiteRecord) -> Edition:
        """Return the edition under its number in the store."""
        return Edition(
            self.site,
            self.theme,
            record,
            self.files.base_url,
            self.standing_pages,
            self.files.rsscloud,
            self.feed_formats,
            self.files.media if self.site.media else None,
        )


def draft_of(files: EditionFiles, code: Code) -> EditionDraft:
    """Return the edition that the files make. Raises whatever makes them unusable."""
    site = load_site(files.site_file, code.kinds)
    pages = load_standing_pages(site, files.pages)
    titles = {lang: pages.titles(lang) for lang in site.languages}
    theme = Theme(site, files.base_url, files.theme, feed_formats=code.feed_formats, standing=titles, search=True)
    return EditionDraft(files, site, theme, pages, code.feed_formats)


def _hash(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
