"""
How fast search is in an archive of many items in four languages, asked as a reader asks: over HTTP, page and store too.

The words of each language follow Zipf's law and take its endings, so that some stand in nearly every item and most in
few. Questions ask for them in another form or by their beginning, alone or two together, with filters and without.
Beside that: how long making the index takes, and how soon a new item is found, the rendering of its pages included.

    python -m benchmarks.render_search --items 100000
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import httpx
import structlog
from fastapi import FastAPI

from benchmarks.render_archive import (
    AGE,
    SECTIONS,
    TAGS,
    Archive,
    an_archive,
    item_of,
    ms,
    percentile,
    publish,
    take,
)
from services.render.text.language import SHIPPED_LOCALES
from shared.model.clock import store_now
from shared.model.ids import ItemId
from shared.model.items import Item, Revision
from shared.model.site_file import Site
from shared.model.urls import item_path, month_of
from shared.store import keys

SYLLABLES = {
    "ru": "по ра сто ме ни ка ве до ли ту га ро мо ши бе",  # noqa: RUF001
    "az": "ba də qı lü mən nər öz rə sar tə yol çə şə vu go",  # noqa: RUF001
    "en": "har bo min is der let cou dge ro scho tre fi wa vi por",
    "ar": "بر مد تن سي كل وز رق نظ حم عب دل شر فت جم خط",
}
VOCABULARY = 20_000
WORDS_IN_ITEM = 180
# Of a reader's words, some stand in nearly every item, some in one of a hundred, some in a handful.
RANKS = {"common": range(20), "middle": range(200, 2000), "rare": range(10_000, VOCABULARY)}
INDEXED_AT_ONCE = 100


@dataclass(frozen=True)
class Language:
    """Made-up words of a language, the most frequent first, and its true endings."""

    code: str
    stems: Sequence[str]
    endings: Sequence[str]

    @classmethod
    def of(cls, code: str) -> "Language":
        """Return the same words every time."""
        pick = random.Random(code)
        syllables = SYLLABLES[code].split()
        stems: dict[str, None] = {}
        while len(stems) < VOCABULARY:
            stems["".join(pick.choices(syllables, k=pick.choice((2, 3, 3, 4))))] = None
        endings = (SHIPPED_LOCALES / code / "endings.txt").read_text(encoding="utf-8").split()
        return cls(code, list(stems), [ending for ending in endings if len(ending) > 1])

    @cached_property
    def weights(self) -> Sequence[float]:
        """How much of a text the words before each take (Zipf's law)."""
        return list(itertools.accumulate(1 / (rank + 2) for rank in range(VOCABULARY)))

    def text(self, pick: random.Random) -> str:
        """Return running text."""
        stems = pick.choices(self.stems, cum_weights=self.weights, k=WORDS_IN_ITEM)
        words = [stem + pick.choice(self.endings) if pick.random() < 0.6 else stem for stem in stems]
        return " ".join(words)

    def inflected(self, rank: str, pick: random.Random) -> str:
        """Return a word of so many items, in one of its forms."""
        return self.stems[pick.choice(RANKS[rank])] + pick.choice(self.endings)

    def beginning(self, rank: str, pick: random.Random) -> str:
        """Return some first letters of such a word."""
        word = self.stems[pick.choice(RANKS[rank])]
        return word[: pick.randrange(1, len(word))]


LANGUAGES = {code: Language.of(code) for code in SYLLABLES}
SITE_TOML = "\n".join(
    [
        'timezone = "Asia/Baku"',
        'languages = ["ru", "az", "en", "ar"]',
        'title = { ru = "Портовая служба", az = "Liman", en = "Office of the Harbour", ar = "مكتب الميناء" }',
        *(
            f'[[sections]]\npath = "{path}"\nkind = "document"\nlatest = {str(path == "documents").lower()}\n'
            f'name = {{ ru = "{path}", az = "{path}", en = "{path}", ar = "{path}" }}'
            for path in SECTIONS
        ),
    ]
)


def an_old_item(number: int, published: datetime, site: Site, pick: random.Random) -> tuple[Item, Revision]:
    """Return a generated item, every fourth of each language."""
    language = list(LANGUAGES.values())[number % len(LANGUAGES)]
    section = SECTIONS[number // len(LANGUAGES) % len(SECTIONS)]
    name = f"item-{number}"
    revision = Revision(
        number=1,
        accepted_at=published,
        lang=language.code,
        section=section,
        title=f"{pick.choice(language.stems)} {number}",
        body=language.text(pick),
        published_at=published,
        tags=(TAGS[number % len(TAGS)],),
        path=item_path(language.code, section, month_of(published, site.zone), name),
    )
    return item_of(name, revision, published), revision


async def index_everything(archive: Archive) -> None:
    """Make the index as a rebuild does, and print what that cost."""
    started, processor, count = time.perf_counter(), time.process_time(), 0
    cursor = -1
    while cursor:
        cursor, found = await archive.redis.hscan(keys.PATHS, max(0, cursor), count=INDEXED_AT_ONCE)
        count += await archive.rendering.search.refresh({ItemId(owner) for owner in found.values()})
    took, processor = time.perf_counter() - started, time.process_time() - processor
    folder = archive.settings.output_dir / ".clarion" / "search"
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(
        f"  {count} items indexed in {took:.0f} s ({took / count * 1000:.2f} ms each, of them "
        f"{processor / count * 1000:.2f} ms of processor time), {size / 1e6:.0f} MB"
    )


def questions(pick: random.Random, now: datetime) -> Mapping[str, Mapping[str, str]]:
    """Return one question of each kind, in a language chosen at random."""
    language = pick.choice(list(LANGUAGES.values()))
    lang = {"lang": language.code}
    section = {"section": pick.choice(SECTIONS)}
    since = now - AGE * pick.random()
    days = {"since": since.date().isoformat(), "until": (since + timedelta(days=60)).date().isoformat()}
    long_ago = {"until": (now - AGE * 0.9).date().isoformat()}
    forms = {rank: language.inflected(rank, pick) for rank in RANKS}
    beginnings = {rank: language.beginning(rank, pick) for rank in RANKS}
    first = beginnings["common"][0]
    return {
        "a common word, inflected": {"q": forms["common"], **lang},
        "a common word, in all languages": {"q": forms["common"]},
        "a common word, in a section": {"q": forms["common"], **lang, **section},
        "a common word, in some two months": {"q": forms["common"], **lang, **days},
        "a common word, years ago, in a section": {"q": forms["common"], **lang, **section, **long_ago},
        "a common word, the fiftieth page": {"q": forms["common"], **lang, "page": "50"},
        "a word of the middle, inflected": {"q": forms["middle"], **lang},
        "a rare word, inflected": {"q": forms["rare"], **lang},
        "two common words": {"q": f"{forms['common']} {language.inflected('common', pick)}", **lang},
        "a common word and a rare one": {"q": f"{forms['common']} {forms['rare']}", **lang},
        "the beginning of a common word": {"q": beginnings["common"], **lang},
        "the beginning of a rare word": {"q": beginnings["rare"], **lang},
        "one letter": {"q": first, **lang},
        "one letter, in all languages": {"q": first},
        "one letter, years ago, in a section": {"q": first, **lang, **section, **long_ago},
        "twelve beginnings of two letters": {"q": " ".join(language.stems[rank][:2] for rank in range(12)), **lang},
        "nothing": {"q": f"{forms['common']} щщщщ", **lang},
    }


async def ask(archive: Archive, http: httpx.AsyncClient, times: int) -> None:
    """Ask questions of each kind, mixed, and print how long the answers took."""
    pick, took, shown = random.Random(2), dict[str, list[float]](), dict[str, list[int]]()
    now = await store_now(archive.redis)
    for _ in range(times):
        for kind, parameters in questions(pick, now).items():
            started = time.perf_counter()
            response = await http.get("/v1/search", params=parameters)
            took.setdefault(kind, []).append(time.perf_counter() - started)
            shown.setdefault(kind, []).append(len(response.raise_for_status().json()["items"]))
    everything = [one for values in took.values() for one in values]
    for kind, values in [("all together", everything), *took.items()]:
        results = f", {statistics.mean(shown[kind]):.0f} shown" if kind in shown else ""
        print(f"  {kind + ':':42} {_spread(values)} of {len(values)}{results}")


async def find_new_ones(archive: Archive, http: httpx.AsyncClient, publishes: int) -> None:
    """Publish items one by one and print how soon each was found by a form of its one peculiar word."""
    waits = []
    # The first one finds no page of the old items that it stands beside, and has them written.
    await publish(archive, "first")
    await archive.rendering.consumer.on_item_events(await take(archive.redis))
    for number in range(publishes):
        word = f"ledger{chr(97 + number // 26)}{chr(97 + number % 26)}mark"
        started = time.perf_counter()
        await publish(archive, f"new-{number}", f"The {word} is kept.")
        await archive.rendering.consumer.on_item_events(await take(archive.redis))
        response = await http.get("/v1/search", params={"q": f"{word}s"})
        waits.append(time.perf_counter() - started)
        assert [item["external_id"] for item in response.json()["items"]] == [f"new-{number}"]
    print(f"  a new item is found after:                 {_spread(waits)} of {publishes}")


def _spread(values: Sequence[float]) -> str:
    p95, p99 = ms(percentile(list(values), 95)), ms(percentile(list(values), 99))
    return f"p50 {ms(statistics.median(values))}  p95 {p95}  p99 {p99}  most {ms(max(values))}"


async def run(size: int, times: int, publishes: int, output: Path) -> None:
    """Fill an archive, make its index and ask it."""
    started = time.perf_counter()
    async with an_archive(size, SITE_TOML, output, an_old_item) as archive:
        print(f"{size} items: store filled in {time.perf_counter() - started:.0f} s, load {os.getloadavg()[0]:.1f}")
        await index_everything(archive)
        app = FastAPI()
        for router in archive.rendering.routes:
            app.include_router(router)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=archive.settings.base_url) as http:
            await ask(archive, http, times)
            await find_new_ones(archive, http, publishes)
        print(f"  load at the end {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=60, help="how often each kind of question is asked")
    parser.add_argument("--publishes", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(run(chosen.items, chosen.times, chosen.publishes, chosen.output))


if __name__ == "__main__":
    main()
