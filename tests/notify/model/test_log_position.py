"""Places in the public log."""

import pytest

from services.notify.model.log_position import Cursor
from shared.model.ids import LogId, SubscriptionId


@pytest.mark.parametrize(
    ("cursor", "place"),
    [
        pytest.param(Cursor(LogId("4-0")), "4-0", id="between events"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("c")), "5-0", id="it had the event already"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("b")), "5-0", id="it had it last"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("a")), "4-0", id="it was to have it next"),
    ],
)
def test_the_place_of_a_subscription_is_what_it_was_given_last(cursor: Cursor, place: str) -> None:
    assert cursor.place_of(SubscriptionId("b")) == place
