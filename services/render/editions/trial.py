"""
The trial of an edition: render known-good items of each kind and language, and one page of each sort, into nothing.

A known-good item is one that readers see and that no edition has failed on. What fails on it is the edition's fault.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.render.editions.specimens import specimen
from services.render.pages.edition import Edition
from services.render.pages.kinds import ArchivePage, FeedArchive, LatestFragment, ListFeeds, ListPage, NewsSitemap
from services.render.pages.list_entries import ListEntryCache
from services.render.pages.list_reader import ListContent
from services.render.pages.lists import ListPages
from services.render.pages.site_files import SiteFiles
from services.render.theme.search_results import SearchResults, search_result
from services.render.theme.template_faults import described
from services.render.theme.view_models import Translation
from shared.model.items import PublicItem, Withdrawal
from shared.model.listings import Listing
from shared.model.site_file import Section, Site
from shared.model.urls import month_of
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems

_TRIED_OF_EACH = 5
_NOTICE = Withdrawal(mode="notice", notice="It was repealed.")


@dataclass(frozen=True)
class TrialItems:
    """The known-good items of a language and a kind of sections, the newest first; a specimen where there are none."""

    lang: str
    section: Section
    items: Sequence[PublicItem]


async def samples_of(store: ItemStore, site: Site) -> Sequence[TrialItems]:
    """Return a sample for each language and kind of the site."""
    return [
        await _sample(store, site, lang, kind_name)
        for lang in site.languages
        for kind_name in dict.fromkeys(section.kind.name for section in site.sections)
    ]


async def _sample(store: ItemStore, site: Site, lang: str, kind_name: str) -> TrialItems:
    sections = [section for section in site.sections if section.kind.name == kind_name]
    found: dict[str, PublicItem] = {}
    for section in sections:
        newest = await store.newest_after(Listing(lang, "section", section.path), None, _TRIED_OF_EACH)
        for one in (await PublicItems(store, site.languages).by_id([place.item for place in newest])).values():
            if one.revision.section == section.path and one.item.unrenderable != one.revision.number:
                found[one.item.id] = one
    items = sorted(found.values(), key=lambda one: one.published_at, reverse=True)[:_TRIED_OF_EACH]
    return TrialItems(lang, sections[0], items or [specimen(site, lang, sections[0])])


def specimens_of(site: Site) -> Sequence[TrialItems]:
    """Return a sample of specimens for each language and kind of the site."""
    first = {section.kind.name: section for section in reversed(site.sections)}
    return [TrialItems(lang, one, [specimen(site, lang, one)]) for lang in site.languages for one in first.values()]


class Trial:
    """Tries an edition on the samples, once before it is used, and again when an item cannot be rendered."""

    def __init__(self, edition: Edition, samples: Sequence[TrialItems] | None = None) -> None:
        """The samples are specimens unless given."""
        self._edition = edition
        self._samples = specimens_of(edition.site) if samples is None else samples

    def fault(self) -> str | None:
        """Return what the edition cannot render and why, with template and line; None where it passes."""
        for what, render in self._pieces():
            try:
                render()
            except Exception as fault:  # noqa: BLE001 - whatever a theme, a catalogue or a release raises
                return f"{described(fault)}, for {what}"
        return None

    def renders_one_like(self, item: PublicItem) -> bool:
        """Whether the edition still renders what is known to be good, in the language and the kind of the item."""
        section = self._edition.site.section_at.get(item.revision.section)
        like = [one for one in self._samples if one.lang == item.revision.lang] or self._samples
        closest = [one for one in like if section is None or one.section.kind is section.kind] or like
        tried = [one for sample in closest for one in sample.items if one.revision != item.revision]
        tried += [specimen(self._edition.site, sample.lang, sample.section) for sample in closest]
        return any(self._is_rendered(one) for one in tried)

    def _is_rendered(self, item: PublicItem) -> bool:
        try:
            self._page(item)
        except Exception:  # noqa: BLE001 - see fault
            return False
        return True

    def _pieces(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield what is tried, by the name that a refusal tells."""
        for sample in self._samples:
            for item in sample.items:
                yield f"item {item.item.source}/{item.item.external_id}", lambda item=item: self._page(item)  # type: ignore[misc]
            yield f"a notice in {sample.lang}", lambda item=sample.items[0]: self._notice(item)  # type: ignore[misc]
            yield from self._lists(sample)
        for lang in self._edition.site.languages:
            yield f"pages in {lang}", lambda lang=lang: self._answers(lang)  # type: ignore[misc]
        yield "standing pages", SiteFiles(self._edition).pages
        yield "static files", self._edition.theme.static_files

    def _page(self, item: PublicItem) -> None:
        edition = self._edition
        ListEntryCache(edition).of(item)
        others = [lang for lang in edition.site.languages if lang != item.revision.lang]
        edition.theme.item_page(item, [Translation(lang, item.path, item.revision.title) for lang in others])

    def _notice(self, item: PublicItem) -> None:
        self._page(PublicItem(item.item, item.revision.model_copy(update={"withdrawal": _NOTICE})))

    def _lists(self, sample: TrialItems) -> Iterator[tuple[str, Callable[[], object]]]:
        edition, listing = self._edition, Listing(sample.lang, "section", sample.section.path)
        lists = ListPages(edition, ListEntryCache(edition))
        month = month_of(sample.items[0].published_at, edition.site.zone)
        content = ListContent(
            [(sample.section, sample.items)],
            changed_at=sample.items[0].released_at,
            months=[month],
            last_places={month: len(sample.items)},
        )
        home, tag = Listing(sample.lang, "home"), Listing(sample.lang, "tag", "specimen")
        for page in (
            *(ListPage(one) for one in (home, listing, tag)),
            *(ListFeeds(one) for one in (home, listing, tag)),
            *(ArchivePage(listing, month, 1), FeedArchive(listing, month, 1)),
            *(LatestFragment(sample.lang), NewsSitemap()),
        ):
            yield f"{page}", lambda page=page: lists.files(page, content)  # type: ignore[misc]

    def _answers(self, lang: str) -> None:
        edition = self._edition
        theme = edition.theme
        items = [item for sample in self._samples if sample.lang == lang for item in sample.items]
        found = [search_result(item, theme.card(item), ()) for item in items]
        theme.search_page(lang, SearchResults("words", None, "", "", found, None, None))
        theme.gone_page(lang, "A title")
        theme.not_found_page(lang)
