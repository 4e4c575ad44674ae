"""What is odd in a file is read as its readers would, or told."""

from pathlib import Path

import pytest

from services.ingest.importers.base import ItemEntry, RefusedEntry, UnreadableSourceError, one_line
from tests.ingest.importers import import_samples as samples
from tests.ingest.importers.import_acts import a_file, entries_of, the_item


def test_relative_links_are_found_from_anywhere(tmp_path: Path) -> None:
    rss = the_item(entries_of(a_file(tmp_path, "feed.xml", samples.ODD_RSS)))
    atom = the_item(entries_of(a_file(tmp_path, "feed.atom", samples.ODD_ATOM)))
    json_feed = the_item(entries_of(a_file(tmp_path, "feed.json", samples.ODD_JSON_FEED)))

    assert 'href="https://canal.example/map.html"' in str(rss["body"])
    assert 'src="https://canal.example/news/lock.jpg"' in str(rss["body"])
    assert "https://canal.example/files/plan.pdf" in str(rss["attachments"])
    assert 'href="https://canal.example/pier"' in str(atom["body"])
    assert 'href="https://canal.example/map"' in str(json_feed["body"])
    assert json_feed["images"] == [{"url": "https://canal.example/lock.jpg", "alt": ""}]


@pytest.mark.parametrize(
    ("name", "text", "titles"),
    [
        pytest.param(
            "feed.xml",
            samples.ODD_RSS,
            ["Locks & weirs reopen", "Café — open", "Only a title", None],
            id="markup, entities, and none in a feed",
        ),
        pytest.param("feed.atom", samples.ODD_ATOM, ["Barges again", "Only a summary."], id="XHTML and an empty one"),
        pytest.param(
            "feed.json",
            samples.ODD_JSON_FEED,
            ["Map", "Dredging goes on. Ships wait.", "When"],
            id="the beginning of the text",
        ),
        pytest.param("export.xml", samples.ODD_WXR, ["Post 21", "When"], id="the number of the post"),
        pytest.param("copy.json", samples.ODD_NINJS, ["Мост & паром", "Held", "Nothing below"], id="markup in copy"),
        pytest.param(
            "orders.csv", samples.ODD_CSV, ["Order; second", None, "One cell more"], id="a separator in quotes"
        ),
    ],
)
def test_an_odd_title_is_read_as_its_readers_would(
    tmp_path: Path, name: str, text: str, titles: list[str | None]
) -> None:
    found = entries_of(a_file(tmp_path, name, text))

    assert [one.item.get("title") for one in found if isinstance(one, ItemEntry)] == titles


@pytest.mark.parametrize(
    ("name", "text", "dates"),
    [
        pytest.param("feed.xml", samples.ODD_RSS, ["2026-05-22T14:47:00+00:00", None, None, None], id="rss"),
        pytest.param(
            "feed.atom", samples.ODD_ATOM, ["2026-05-22T06:47:00+00:00", "2026-05-22T10:47:00+00:00"], id="atom"
        ),
        pytest.param(
            "feed.json", samples.ODD_JSON_FEED, ["2026-05-22T10:47:00+00:00", None, "next Friday"], id="json feed"
        ),
        pytest.param("export.xml", samples.ODD_WXR, [None, "2026-13-45 00:00:00"], id="wordpress"),
        pytest.param("copy.json", samples.ODD_NINJS, ["2026-05-22T10:47:00+00:00", None, None], id="ninjs"),
    ],
)
def test_an_odd_date_is_read_or_left_to_the_service_to_refuse(
    tmp_path: Path, name: str, text: str, dates: list[str | None]
) -> None:
    found = entries_of(a_file(tmp_path, name, text))

    assert [one.item.get("published_at") for one in found if isinstance(one, ItemEntry)] == dates


def test_a_table_in_another_encoding_is_told(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes("external_id,title,body\no-1,Приказ,Текст\n".encode("cp1251"))

    assert entries_of(file) == [RefusedEntry("orders.csv", "is not UTF-8 from here on: invalid continuation byte")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html><body>no feed</body></html>", id="a page"),
        pytest.param(b'{"version": "1"}', id="other JSON"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_feed_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "feed"
    file.write_bytes(content)

    with pytest.raises(UnreadableSourceError):
        entries_of(file)


@pytest.mark.parametrize(
    ("markup", "line"),
    [
        pytest.param("<b>Bold</b> &amp; plain", "Bold & plain", id="markup"),
        pytest.param("Two\nlines\t here", "Two lines here", id="white space"),
        pytest.param("left \u202egnp.exe", "left gnp.exe", id="writing direction"),
        pytest.param(None, "", id="none"),
    ],
)
def test_a_title_becomes_one_line(markup: str | None, line: str) -> None:
    assert one_line(markup) == line
