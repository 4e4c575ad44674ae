"""The parts of a page around its content: the head, and the header and footer that all pages of a language share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from services.render.text.language import Language
from services.render.theme.view_models import PageLink, in_language, listing_name, section_link
from shared.model.items import Image
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.model.urls import feed_path, home_path, latest_fragment_path


@dataclass(frozen=True)
class OfferedFormat:
    """A format of feeds, as far as pages name it."""

    name: str
    """The file is `feed.<name>`."""
    title: str
    """What readers call the format."""
    media_type: str


@dataclass(frozen=True)
class FeedLink:
    """A feed that a page offers."""

    name: str
    title: str
    media_type: str
    path: str


@dataclass(frozen=True)
class Alternate:
    """The page in a language, for the switcher and for search engines."""

    lang: str
    path: str
    name: str = ""
    """What the language calls itself."""


@dataclass(frozen=True)
class Head:
    """What a page says of itself before its content."""

    title: str
    path: str
    description: str = ""
    og_title: str | None = None
    og_type: Literal["website", "article"] = "website"
    alternates: Sequence[Alternate] = ()
    """The same page in every language that has it, its own among them."""
    feeds: Sequence[FeedLink] = ()
    image: Image | None = None
    json_ld: Markup | None = None
    is_indexed: bool = True


@dataclass(frozen=True)
class NavigationLink(PageLink):
    """A top section, with the sections directly below it."""

    below: Sequence[PageLink] = ()


@dataclass(frozen=True)
class Frame:
    """What all pages of a language share."""

    lang: str
    direction: str
    og_locale: str
    title: str
    organisation: str
    organisation_url: str | None
    logo: str | None
    home: str
    navigation: Sequence[NavigationLink]
    links: Sequence[tuple[str, str]]
    """Label and address."""
    standing: Sequence[PageLink]
    latest_fragment: str | None
    search: str | None
    feeds: Sequence[FeedLink]


def frame_of(
    site: Site,
    language: Language,
    standing: Sequence[tuple[str, str]],
    *,
    feeds: Sequence[FeedLink],
    search: bool,
) -> Frame:
    """Return what the pages of the language share."""
    lang = language.tag
    organisation = site.organisation
    home = home_path(lang)
    title = in_language(site.title, lang, site)
    return Frame(
        lang=lang,
        direction=language.direction,
        og_locale=language.og_locale,
        title=title,
        organisation=(in_language(organisation.name, lang, site) if organisation else "") or title,
        organisation_url=organisation.url if organisation else None,
        logo=organisation.logo if organisation else None,
        home=home,
        navigation=_navigation(site, lang),
        links=[(in_language(link.label, lang, site), link.url) for link in site.links],
        standing=[PageLink(page_title, f"{home}{slug}/") for slug, page_title in standing],
        latest_fragment=latest_fragment_path(lang) if site.latest_sections else None,
        search=f"{home}search/" if search else None,
        feeds=feeds,
    )


def feed_links(listing: Listing, site: Site, feed_formats: Sequence[OfferedFormat]) -> Sequence[FeedLink]:
    """Return the listing's feeds as pages offer them."""
    name = listing_name(listing, site)
    return [
        FeedLink(one.title, f"{name} ({one.title})", one.media_type, feed_path(listing.path, one.name))
        for one in feed_formats
    ]


def listing_alternates(listing: Listing, site: Site) -> Sequence[Alternate]:
    """Return the listing in every language; of a tag only its own language, as others need not have the tag."""
    if listing.kind == "tag":
        return [Alternate(listing.lang, listing.path)]
    return [Alternate(lang, Listing(lang, listing.kind, listing.name).path) for lang in site.languages]


def _navigation(site: Site, lang: str) -> Sequence[NavigationLink]:
    paths = [section.path for section in site.sections]
    links = {path: section_link(site, path, lang) for path in paths}
    return [
        NavigationLink(
            links[path].name,
            links[path].path,
            [link for below, link in links.items() if below.rpartition("/")[0] == path],
        )
        for path in links
        if "/" not in path
    ]
