"""What cannot import the formats of feeds knows every one of them."""

from pathlib import Path

import pytest

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from shared.model.urls import FEED_CONTENT_TYPES

DEPLOY = Path(__file__).parents[3] / "deploy"


def test_notify_pushes_each_format_as_render_serves_it() -> None:
    assert {one.name: one.content_type for one in FEED_FORMATS} == FEED_CONTENT_TYPES


@pytest.mark.parametrize("file", ["nginx.conf", "kubernetes/files/nginx.conf"])
@pytest.mark.parametrize("form", FEED_FORMATS, ids=lambda form: form.name)
def test_nginx_compresses_each_format(form: FeedFormat, file: str) -> None:
    compressed = (DEPLOY / file).read_text().partition("gzip_types")[2].partition(";")[0].split()

    assert form.media_type in compressed


def test_names_differ_and_the_first_format_has_archives() -> None:
    assert len({one.name for one in FEED_FORMATS}) == len(FEED_FORMATS)
    assert FEED_FORMATS[0].has_archives
