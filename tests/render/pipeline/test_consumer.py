"""From events to pages: in whatever order, however often, with whatever an item does to its template."""

import re
from datetime import timedelta
from pathlib import Path

from services.render.rebuild.verify import Differences
from shared.model.items import Withdrawal
from tests.render.newsroom import BROKEN_TITLE, FIRST_DAY, Press


async def test_an_item_stands_on_its_page_in_its_lists_and_in_their_feeds(press: Press) -> None:
    await press.newsroom.publish("a", title="Bridge opened", section="documents/orders", tags=("sea",))

    await press.render()

    named = press.files_naming("Bridge opened")
    lists = ("en", "en/documents", "en/documents/orders", "en/tags/sea")
    assert named == {
        "en/documents/orders/2026/05/a/index.html",
        *(f"{one}/{file}" for one in lists for file in ("index.html", "feed.rss", "feed.atom", "feed.json")),
        *(f"{one}/{_month_now(press)}/{file}" for one in lists for file in ("feed.rss", "feed.atom")),
        "en/documents/2026/05/index.html",
        "en/documents/orders/2026/05/index.html",
        "_fragments/en/latest.html",
        "news-sitemap.xml",
    }


def _month_now(press: Press) -> str:
    (folder,) = (press.settings.output_dir / "en").glob("2*/*")
    return f"{folder.parent.name}/{folder.name}"


async def test_an_item_accepted_meanwhile_is_left_to_its_own_batch(press: Press) -> None:
    b = await press.newsroom.publish("b", title="Item B")
    batch = await press.take()
    a = await press.newsroom.publish("a", title="Item A", published_at=FIRST_DAY + timedelta(days=1))

    await press.render(batch)

    assert not press.has(a.path)
    assert press.files_naming("Item A") == set()
    assert [event for _, event in await press.announced()] == [f"{b.item.id}-1"]
    await press.render()
    assert press.has(a.path)
    assert press.files_naming("Item A") >= {"en/index.html", "en/feed.atom"}
    assert [event for _, event in await press.announced()] == [f"{b.item.id}-1", f"{a.item.id}-1"]


async def test_an_item_whose_template_raises_hurts_no_other(strict_press: Press) -> None:
    press = strict_press
    await press.newsroom.publish("b", title="Item B")
    batch = await press.take()
    bad = await press.newsroom.publish("a", title=BROKEN_TITLE)

    await press.render(batch)

    assert press.files_naming(BROKEN_TITLE) == set()
    assert not press.has(bad.path)
    assert [kind for kind, _ in await press.announced()] == ["item.published.v1"]
    assert await press.dead_letters() == []


async def test_a_first_revision_that_cannot_be_rendered_is_shown_nowhere_and_buried_with_the_reason(
    strict_press: Press,
) -> None:
    press = strict_press
    bad = await press.newsroom.publish("a", title=BROKEN_TITLE, tags=("sea",))

    await press.render()

    assert press.files_naming(BROKEN_TITLE) == set()
    assert not press.has(bad.path)
    assert await press.public("a") == 0
    (letter,) = await press.dead_letters()
    assert letter["reason"].startswith("UndefinedError: ")
    assert await press.announced() == []


async def test_a_later_revision_that_cannot_be_rendered_leaves_the_one_before_everywhere(strict_press: Press) -> None:
    press = strict_press
    good = await press.newsroom.publish("a", title="Good news")
    await press.render()
    before = press.files_naming("Good news")

    await press.newsroom.publish("a", title=BROKEN_TITLE, published_at=FIRST_DAY + timedelta(days=60), slug="moved")
    await press.render()

    assert press.files_naming(BROKEN_TITLE) == set()
    assert press.files_naming("Good news") == before
    assert press.has(good.path)
    assert await press.public("a") == 1
    assert len(await press.dead_letters()) == 1


async def test_a_good_revision_after_a_bad_one_is_shown_and_announced(strict_press: Press) -> None:
    press = strict_press
    await press.newsroom.publish("a", title="Good news")
    await press.render()
    await press.newsroom.publish("a", title=BROKEN_TITLE)
    await press.render()

    third = await press.newsroom.publish("a", title="Better news")
    await press.render()

    assert "Better news" in press.text(third.path)
    assert press.files_naming("Good news") == set()
    assert await press.announced() == [
        ("item.published.v1", f"{third.item.id}-1"),
        ("item.revised.v1", f"{third.item.id}-3"),
    ]


async def test_a_moved_item_leaves_its_old_page_section_and_tag(press: Press) -> None:
    old = await press.newsroom.publish("a", title="Mover", tags=("sea",))
    await press.newsroom.publish("other", title="Stayer", tags=("sea",))
    await press.render()

    new = await press.newsroom.publish("a", section="documents", tags=(), slug="moved")
    await press.render()

    assert not press.has(old.path)
    assert press.has(new.path)
    assert "Mover" not in press.text("/en/news/")
    assert "Mover" not in press.text("/en/tags/sea/")
    assert "Mover" not in press.text("/en/tags/sea/feed.atom")
    assert "Mover" not in press.text("/en/news/2026/05/")
    assert "Mover" in press.text("/en/documents/2026/05/")


async def test_a_tag_without_items_has_no_page(press: Press) -> None:
    await press.newsroom.publish("a", tags=("sea",))
    await press.render()

    await press.newsroom.publish("a", tags=())
    await press.render()

    assert not press.has("/en/tags/sea/")


async def test_a_withdrawn_item_leaves_every_file_but_the_tombstones_of_its_feeds(press: Press) -> None:
    item = await press.newsroom.publish("a", title="Regretted", tags=("sea",))
    await press.newsroom.publish("b", tags=("sea",))
    await press.render()

    await press.newsroom.withdraw("a")
    await press.render()

    assert not press.has(item.path)
    assert press.files_naming("Regretted") == set()
    assert "news/2026/05/a/" not in press.text("/sitemaps/en/2026-05-1.xml")
    for path in ("/en/feed.atom", "/en/news/feed.atom", "/en/tags/sea/feed.atom"):
        assert f'ref="tag:127.0.0.1,2025-01-01:{item.item.id}"' in press.text(path)


async def test_an_item_withdrawn_under_a_notice_keeps_its_page_alone(press: Press) -> None:
    item = await press.newsroom.publish("a", title="Regretted")
    await press.render()

    await press.newsroom.withdraw("a", Withdrawal(mode="notice", notice="It was wrong."))
    await press.render()

    assert press.files_naming("Regretted") == {item.path.strip("/") + "/index.html"}
    assert "It was wrong." in press.text(item.path)


async def test_a_revision_that_lists_do_not_show_rewrites_its_page_and_feeds_only(press: Press) -> None:
    summary = "What lists show of it."
    item = await press.newsroom.publish("a", summary=summary, body="Before.")
    await press.newsroom.publish("b")
    await press.render()
    pages = ("/en/", "/en/news/", "/en/news/2026/05/", "/news-sitemap.xml")
    written = {path: _written_at(press, path) for path in pages}

    await press.newsroom.publish("a", body="After.")
    await press.render()

    assert "After." in press.text(item.path)
    assert "After." in press.text("/en/news/feed.atom")
    assert {path: _written_at(press, path) for path in pages} == written


def _written_at(press: Press, path: str) -> tuple[int, int]:
    status = (press.settings.output_dir / path.lstrip("/") / ("index.html" if path.endswith("/") else "")).stat()
    return status.st_ino, status.st_mtime_ns


async def test_a_minor_revision_changes_feeds_and_tells_webhooks_nothing(press: Press) -> None:
    item = await press.newsroom.publish("a")
    await press.render()

    await press.newsroom.publish("a", body="A comma.", update_type="minor")
    await press.render()

    assert await press.announced() == [
        ("item.published.v1", f"{item.item.id}-1"),
        ("feeds.changed.v1", f"{item.item.id}-2"),
    ]


async def test_translations_link_to_each_other_and_follow_a_new_title(press: Press) -> None:
    english = await press.newsroom.publish("a", title="Harbour", translation_set="one")
    russian = await press.newsroom.publish("b", lang="ru", title="Гавань", translation_set="one")
    await press.render()
    assert russian.path in press.text(english.path)
    assert english.path in press.text(russian.path)

    moved = await press.newsroom.publish("b", title="Новая гавань", slug="new-harbour")
    await press.render()

    assert moved.path in press.text(english.path)
    assert russian.path not in press.text(english.path)
    assert moved.path in press.text("/sitemaps/en/2026-05-1.xml")


async def test_events_rendered_out_of_order_and_twice_end_in_the_same_files(press: Press) -> None:
    await press.newsroom.publish("a", title="First")
    first = await press.take()
    item = await press.newsroom.publish("a", title="Second", section="documents")
    second = await press.take()

    await press.render(second)
    await press.render(first)
    await press.render(second)

    assert press.files_naming("First") == set()
    assert "Second" in press.text(item.path)
    assert await press.announced() == [
        ("item.published.v1", f"{item.item.id}-1"),
        ("item.revised.v1", f"{item.item.id}-2"),
    ]


async def test_an_entry_that_is_no_event_is_buried_and_its_neighbours_go_on(press: Press) -> None:
    await press.redis.xadd("{site}:items", {"type": "nonsense"})
    item = await press.newsroom.publish("a")

    await press.render()

    assert press.has(item.path)
    (letter,) = await press.dead_letters()
    assert letter["reason"] == "not an item's event"


async def test_updated_in_atom_stays_through_minor_revisions_and_moves_with_major_ones(
    whole_press: Press, tmp_path: Path
) -> None:
    told: list[str] = []
    for update_type in ("major", "minor", "minor", "major", "minor"):
        await whole_press.newsroom.publish("a", body=f"Text {len(told)}.", update_type=update_type)
        await whole_press.render()
        told.append(re.findall("<updated>(.+?)</updated>", whole_press.text("/en/feed.atom"))[1])

    assert told[0] == told[1] == told[2] < told[3] == told[4]
    assert await whole_press.differences(tmp_path / "rebuilt") == Differences()
