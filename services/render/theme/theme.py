"""The theme: renders items and lists of cards through templates into bytes. It reads and writes no file meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from urllib.parse import urljoin

from jinja2 import ChoiceLoader, Environment, PrefixLoader, StrictUndefined
from markupsafe import Markup

from services.render.text.language import language_of
from services.render.theme.files import ThemeFiles
from services.render.theme.frame import (
    Alternate,
    Frame,
    Head,
    OfferedFormat,
    feed_links,
    frame_of,
    listing_alternates,
)
from services.render.theme.search_results import SearchResults
from services.render.theme.structured_data import item_json_ld
from services.render.theme.template_faults import template_loader
from services.render.theme.view_models import (
    Card,
    PageLink,
    Translation,
    archive_path,
    card_of,
    in_language,
    item_page_of,
    known_section_links,
    listing_name,
    section_link,
    section_links,
)
from shared.model.items import PublicItem, Revision
from shared.model.listings import Listing
from shared.model.site_file import Section, Site
from shared.model.urls import home_path, search_path

StandingTitles = Mapping[str, Sequence[tuple[str, str]]]
"""The slug and title of each standing page, by language."""


@dataclass(frozen=True)
class HomeGroup:
    """A top section on the home page."""

    section: PageLink
    cards: Sequence[Card]


class Theme:
    """How the site looks. Rendering is deterministic: equal values give equal bytes."""

    def __init__(
        self,
        site: Site,
        base_url: str,
        theme_dir: Path | None = None,
        *,
        feed_formats: Sequence[OfferedFormat],
        standing: StandingTitles | None = None,
        search: bool = False,
    ) -> None:
        self._site = site
        self._base_url = base_url
        self._standing = standing or {}
        self._files = ThemeFiles(theme_dir)
        self._environment = _environment(self._files, base_url)
        self._search = search
        self._frame = cache(self._make_frame)
        self._feeds = partial(feed_links, site=site, feed_formats=feed_formats)
        # A section's page is written with every item, and may list 120 months.
        self._month_link = cache(self._make_month_link)
        self.language = cache(partial(language_of, catalogues=self._files.catalogues))
        self.fingerprint = self._files.fingerprint
        """The same for two themes of the same templates, static files and catalogues."""
        self.shipped_fingerprint = self._files.shipped_fingerprint

    def static_files(self) -> Mapping[str, bytes]:
        """Return style sheets, icons and fonts by their paths, which change with their content."""
        return self._files.static_files()

    def card(self, item: PublicItem) -> Card:
        """Return the item's card, in this theme's words."""
        return card_of(item, self._site, self.language(item.revision.lang))

    def item_page(self, item: PublicItem, translations: Sequence[Translation]) -> bytes:
        """Return the item's page; one that was withdrawn under a notice carries the notice."""
        revision = item.revision
        page = item_page_of(item, self._site, self.language(revision.lang), translations)
        others = [Alternate(other.lang, other.path) for other in page.translations]
        head = Head(
            title=self._title(revision.lang, page.card.title),
            path=item.path,
            description=page.card.excerpt,
            og_title=page.card.title,
            og_type="article",
            alternates=[Alternate(revision.lang, item.path), *others],
            feeds=self._feeds(self._listing_above(revision)),
            image=page.card.image,
            json_ld=item_json_ld(item, page, self._site, self._base_url),
        )
        return self._render("item.html", revision.lang, head, page=page)

    def home_page(self, lang: str, groups: Sequence[tuple[Section, Sequence[Card]]]) -> bytes:
        """Return the home page: each top section with its newest items."""
        listing = Listing(lang, "home")
        shown = [HomeGroup(section_link(self._site, section.path, lang), cards) for section, cards in groups]
        head = self._listing_head(listing, self._frame(lang).title, listing.path)
        described = replace(head, description=head.description or self._contents(lang))
        return self._render("home.html", lang, described, groups=shown, description=head.description)

    def listing_page(self, listing: Listing, cards: Sequence[Card], months: Sequence[str] = ()) -> bytes:
        """Return the page of a section or tag: its newest items, and the way to its months (`yyyymm`)."""
        name = listing_name(listing, self._site)
        head = self._listing_head(listing, self._title(listing.lang, name), listing.path)
        return self._render(
            "listing.html",
            listing.lang,
            head,
            name=name,
            crumbs=self._crumbs_above(listing),
            below=self._links_below(listing),
            cards=cards,
            months=[self._month_link(listing, month) for month in months],
        )

    def archive_page(self, listing: Listing, month: str, number: int, cards: Sequence[Card], *, is_last: bool) -> bytes:
        """
        Return page `number` of the listing's items of a month (`yyyymm`).

        The page does not say how many pages there are: the next page would change all of them.
        """
        say = self.language(listing.lang).say
        name = f"{listing_name(listing, self._site)}: {self._month_link(listing, month).name}"
        numbered = "" if number == 1 and is_last else say("Page {number}", number=number)
        path = archive_path(listing, month, number)
        alternates = [Alternate(listing.lang, path)]
        head = self._listing_head(listing, self._title(listing.lang, name, numbered), path, alternates)
        return self._render(
            "archive.html",
            listing.lang,
            head,
            name=name,
            crumbs=[*self._crumbs_above(listing), PageLink(listing_name(listing, self._site), listing.path)],
            cards=cards,
            numbered=numbered,
            previous=archive_path(listing, month, number - 1) if number > 1 else None,
            following=archive_path(listing, month, number + 1) if not is_last else None,
        )

    def latest_fragment(self, lang: str, cards: Sequence[Card]) -> bytes:
        """Return the column of newest items, which every page of the language includes when it is served."""
        language = self.language(lang)
        paths = self._site.latest_sections
        place = section_link(self._site, paths[0], lang) if paths else None
        template = self._environment.get_template("latest.html")
        return template.render(say=language.say, cards=cards, place=place if len(paths) == 1 else None).encode()

    def search_page(self, lang: str, results: SearchResults) -> bytes:
        """Return what was found, with the form to ask again."""
        head = Head(
            title=self._title(lang, self.language(lang).say("Search")),
            path=search_path(lang),
            alternates=[Alternate(other, search_path(other)) for other in self._site.languages],
            is_indexed=False,
        )
        sections = [
            PageLink(" / ".join(link.name for link in section_links(self._site, section.path, lang)), section.path)
            for section in self._site.sections
        ]
        return self._render("search.html", lang, head, results=results, sections=sections)

    def standing_page(self, lang: str, slug: str, title: str, html: str) -> bytes:
        """Return a standing page; `html` is trusted or came through `markup.body_html`."""
        path = f"{home_path(lang)}{slug}/"
        there = [other for other in self._site.languages if slug in dict(self._standing.get(other, ()))]
        alternates = [Alternate(other, f"{home_path(other)}{slug}/") for other in there if other != lang]
        head = Head(
            title=self._title(lang, title),
            path=path,
            alternates=[Alternate(lang, path), *alternates],
            feeds=self._frame(lang).feeds,
        )
        # `html` is trusted: standing pages come from the institution's own folder.
        return self._render("standing.html", lang, head, title=title, body=Markup(html))  # noqa: S704

    def gone_page(self, lang: str, title: str | None = None, notice: str | None = None) -> bytes:
        """Return what stands where an item was withdrawn (410)."""
        head = self._unlisted_head(lang, self.language(lang).say("This page has been withdrawn"))
        return self._render("gone.html", lang, head, title=title, notice=notice)

    def not_found_page(self, lang: str) -> bytes:
        """Return what stands where there is no page (404)."""
        return self._render(
            "not_found.html", lang, self._unlisted_head(lang, self.language(lang).say("Page not found"))
        )

    def _render(self, template: str, lang: str, head: Head, **content: object) -> bytes:
        language = self.language(lang)
        alternates = {alternate.lang: alternate.path for alternate in head.alternates}
        text = self._environment.get_template(template).render(
            say=language.say,
            frame=self._frame(lang),
            head=head,
            switcher=[
                Alternate(other, alternates.get(other, home_path(other)), self.language(other).name)
                for other in self._site.languages
            ],
            x_default=alternates.get(self._site.languages[0], head.path),
            **content,
        )
        return text.encode()

    def _listing_head(
        self, listing: Listing, title: str, path: str, alternates: Sequence[Alternate] | None = None
    ) -> Head:
        return Head(
            title=title,
            path=path,
            description=in_language(self._site.description, listing.lang, self._site),
            alternates=listing_alternates(listing, self._site) if alternates is None else alternates,
            feeds=self._feeds(listing),
        )

    def _unlisted_head(self, lang: str, title: str) -> Head:
        return Head(title=self._title(lang, title), path=home_path(lang), is_indexed=False)

    def _title(self, lang: str, *parts: str) -> str:
        return " — ".join(part for part in (*parts, self._frame(lang).title) if part)

    def _contents(self, lang: str) -> str:
        """Return a description for search engines, for a site file without one: the names of the top sections."""
        frame = self._frame(lang)
        return f"{frame.title}: {' · '.join(place.name for place in frame.navigation)}"

    def _listing_above(self, revision: Revision) -> Listing:
        """Return the item's section, or home where the site file no longer has the section."""
        if revision.section in self._site.section_at:
            return Listing(revision.lang, "section", revision.section)
        return Listing(revision.lang, "home")

    def _crumbs_above(self, listing: Listing) -> Sequence[PageLink]:
        if listing.kind != "section":
            return ()
        above = known_section_links(self._site, listing.name, listing.lang)
        return [link for link in above if link.path != listing.path]

    def _links_below(self, listing: Listing) -> Sequence[PageLink]:
        if listing.kind != "section":
            return ()
        return [
            section_link(self._site, section.path, listing.lang)
            for section in self._site.sections
            if section.path.rpartition("/")[0] == listing.name
        ]

    def _make_frame(self, lang: str) -> Frame:
        language, feeds = self.language(lang), self._feeds(Listing(lang, "home"))
        return frame_of(self._site, language, self._standing.get(lang, ()), feeds=feeds, search=self._search)

    def _make_month_link(self, listing: Listing, month: str) -> PageLink:
        name = self.language(listing.lang).month(int(month[:4]), int(month[4:]))
        return PageLink(name, archive_path(listing, month))


def _environment(files: ThemeFiles, base_url: str) -> Environment:
    """Return an environment where a theme's template may extend the one it stands in for: `shipped/item.html`."""
    shipped = PrefixLoader({"shipped": template_loader(files.shipped_templates, "shipped/")})
    environment = Environment(
        loader=ChoiceLoader([template_loader(files.templates), shipped]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    styles = [files.static_path(name) for name in ("site.css", "theme.css") if name in files.static_names]
    environment.globals |= {"base_url": base_url, "static": files.static_path, "styles": styles}
    environment.filters["absolute"] = partial(urljoin, f"{base_url}/")
    return environment
