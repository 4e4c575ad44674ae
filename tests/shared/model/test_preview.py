"""Preview links: only ours are read, and only until they expire."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from shared.model.ids import ItemId
from shared.model.preview import PREVIEW_PATH, Preview, preview_path, read_preview

KEY = SecretStr("one-key-0123456789-0123456789-0123")
NOON = datetime(2026, 5, 22, 12, tzinfo=UTC)
PREVIEW = Preview(ItemId("abc"), 3, NOON)


def token() -> str:
    return preview_path(PREVIEW, KEY).removeprefix(PREVIEW_PATH)


def test_a_link_says_what_it_shows_until_it_expires() -> None:
    assert read_preview(token(), KEY, NOON - timedelta(milliseconds=1)) == PREVIEW
    assert read_preview(token(), KEY, NOON) is None


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda good: good.replace(".3.", ".4."), id="another revision"),
        pytest.param(lambda good: good.replace("abc.", "abd."), id="another item"),
        pytest.param(lambda good: good[:-1], id="shortened"),
        pytest.param(lambda good: good.rpartition(".")[0] + ".", id="unsigned"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "...", id="dots"),
        pytest.param(lambda good: good + "\u00e9", id="not ASCII"),
    ],
)
def test_what_is_not_ours_shows_nothing(forged: object) -> None:
    changed = forged(token())  # type: ignore[operator]

    assert read_preview(changed, KEY, NOON - timedelta(days=1)) is None


def test_another_key_made_another_signature() -> None:
    assert read_preview(token(), SecretStr("another-key"), NOON - timedelta(days=1)) is None
