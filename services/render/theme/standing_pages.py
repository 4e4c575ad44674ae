"""Standing pages (contacts, imprint, privacy, …): Markdown files from the site's folder, one folder a language."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.model.errors import UnusableSiteFile
from shared.model.site_file import Site
from shared.model.urls import RESERVED_SEGMENTS, home_path, slug_problem
from shared.text.markup import body_html

# A number before the name decides the order in the footer and is no part of the address: `10-contacts.md`.
_NAME = re.compile(r"(?:[0-9]+-)?(?P<slug>.+)\.md")
_HEADING = re.compile(r"\s*#[ \t]+(?P<title>[^\n]+?)[ \t#]*(?:\n|$)")


@dataclass(frozen=True)
class StandingPage:
    """A page that the institution wrote itself."""

    lang: str
    slug: str
    title: str
    html: str

    @property
    def path(self) -> str:
        return f"{home_path(self.lang)}{self.slug}/"


@dataclass(frozen=True)
class StandingPages:
    """All of them, in the order of their files' names."""

    pages: Sequence[StandingPage] = ()
    fingerprint: str = ""
    """The same for two folders of the same files."""

    def titles(self, lang: str) -> Sequence[tuple[str, str]]:
        """Return slug and title of a language's pages."""
        return [(page.slug, page.title) for page in self.pages if page.lang == lang]


def load_standing_pages(site: Site, root: Path | None) -> StandingPages:
    """Return the pages of the folder. Raises UnusableSiteFile for a file that cannot be a page."""
    if root is None:
        return StandingPages()
    digest = hashlib.sha256()
    pages = []
    for lang in site.languages:
        for file in sorted((root / lang).glob("*.md")):
            text = file.read_text(encoding="utf-8")
            digest.update(f"{lang}/{file.name}\0{len(text)}\0{text}".encode())
            pages.append(_page(site, lang, file, text))
    return StandingPages(pages, digest.hexdigest())


def _page(site: Site, lang: str, file: Path, text: str) -> StandingPage:
    name, heading = _NAME.fullmatch(file.name), _HEADING.match(text)
    if name is None or heading is None:
        raise UnusableSiteFile(f"{file}: a standing page begins with its title, such as: # Contacts")
    slug = name["slug"]
    problem = slug_problem(slug)
    if slug in RESERVED_SEGMENTS or slug in {section.path for section in site.sections}:
        problem = "a section or another page of the site has this address"
    if problem is not None:
        raise UnusableSiteFile(f'{file}: "{slug}" cannot be its address: {problem}')
    return StandingPage(lang, slug, heading["title"], body_html(text[heading.end() :], "markdown"))
