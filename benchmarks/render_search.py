"""
How long a search takes in an index of many items: words that are everywhere, rare ones, beginnings, with filters.

    .venv/bin/python benchmarks/render_search.py --items 100000
"""

import argparse
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.render.search_index import Question, SearchIndex
from services.render.search_words import terms_of
from shared.ids import item_id
from shared.items import Item, PublicItem, Revision

SYLLABLES = ("по", "ра", "сто", "ме", "ни", "ка", "ве", "до", "ли", "ту", "га", "ро", "мо", "ши", "бе")  # noqa: RUF001
COMMON = ("правительство", "документ", "министр", "порт")
VOCABULARY = 30_000
WORDS_IN_ITEM = 180
ASKED_TIMES = 20
IN_ONE_STEP = 1000


def an_item(number: int, words: list[str], pick: random.Random) -> PublicItem:
    """Return a generated item."""
    published = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    body = " ".join([*pick.choices(words, k=WORDS_IN_ITEM), *pick.choices(COMMON, k=3)])
    revision = Revision(
        number=1,
        accepted_at=published,
        lang="ru",
        section=("news", "documents", "documents/orders")[number % 3],
        title=f"{pick.choice(words)} {number}",
        body=body,
        published_at=published,
        path=f"/ru/news/2016/01/item-{number}/",
    )
    item = Item(
        id=item_id("press", str(number)),
        source="press",
        external_id=str(number),
        state="published",
        latest=1,
        public=1,
        content_sha256="",
        path=revision.path,
        accepted_at=published,
        released_at=published,
        publish_at=None,
        last_event=1,
        announced=1,
    )
    return PublicItem(item, revision)


def main() -> None:
    """Fill an index and ask it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    count = parser.parse_args().items
    pick = random.Random(1)
    words = ["".join(pick.choices(SYLLABLES, k=pick.randrange(2, 5))) for _ in range(VOCABULARY)]
    with tempfile.TemporaryDirectory(prefix="clarion-benchmark-") as folder:
        index = SearchIndex(Path(folder) / "index.db")
        started = time.perf_counter()
        for start in range(0, count, IN_ONE_STEP):
            with index.changing():
                for number in range(start, min(start + IN_ONE_STEP, count)):
                    index.put(an_item(number, words, pick))
        took = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"{count} items indexed in {took:.0f} s ({took / count * 1000:.2f} ms each), {size / 1e6:.0f} MB")
        ask(index, words)
        index.close()


def ask(index: SearchIndex, words: list[str]) -> None:
    """Ask each kind of question and print how long it took."""
    everywhere, inflected = Question(terms_of("документов", ["ru"])), Question(terms_of("документами порта", ["ru"]))
    questions = {
        "a word in most items": everywhere,
        "two such words, inflected": inflected,
        "a rare word": Question(terms_of(words[7], ["ru"])),
        "a beginning of two letters": Question(terms_of("по", ["ru"])),
        "a common and a rare word, in a section": Question(terms_of(f"порт {words[11]}", ["ru"]), "ru", "documents"),
        "nothing": Question(terms_of("правительство щщщ", ["ru"])),
    }
    for name, question in questions.items():
        took = []
        for _ in range(ASKED_TIMES):
            started = time.perf_counter()
            found = index.find(question, 21)
            took.append(time.perf_counter() - started)
        median, most = statistics.median(took) * 1000, max(took) * 1000
        print(f"  {name}: median {median:.1f} ms, most {most:.1f} ms, {len(found)} shown")


if __name__ == "__main__":
    main()
