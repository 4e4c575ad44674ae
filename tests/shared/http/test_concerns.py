"""The concerns: each is found by its own rule, and named once."""

from dataclasses import replace

import pytest

from shared.http.concerns import DISK_NEARLY_FULL, concerns_of
from shared.http.store_numbers import GroupNumbers, QueueNumbers, ServerNumbers, StoreNumbers, UnshownNumbers

CALM = UnshownNumbers(waiting=3, oldest_seconds=300, unrenderable=0)


def the_numbers(
    *,
    groups: tuple[GroupNumbers, ...] = (),
    dead_letters: int = 0,
    queue: dict[str, object] | None = None,
    unshown: UnshownNumbers = CALM,
    **server: object,
) -> StoreNumbers:
    calm_server = {
        "version": "8.1",
        "memory_bytes": 10,
        "memory_limit_bytes": 100,
        "append_only": True,
        "last_write_ok": True,
        "last_rewrite_ok": True,
        "file_bytes": 0,
        "replicas": 0,
    }
    calm_queue = {"waiting": 0, "overdue_seconds": 0.0, "endpoints": {"active": 1, "disabled": 0}, "dead_letters": 0}
    return StoreNumbers(
        ServerNumbers(**{**calm_server, **server}),  # type: ignore[arg-type]  # the table's own names
        groups,
        unshown,
        QueueNumbers(**{**calm_queue, **(queue or {})}),  # type: ignore[arg-type]  # the same
        dead_letters,
    )


def test_a_calm_store_worries_nobody() -> None:
    numbers = the_numbers(groups=(GroupNumbers("items", "render", 5, 100, 59.9),), queue={"overdue_seconds": 60.0})

    assert list(concerns_of(numbers)) == []


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        pytest.param(the_numbers(append_only=False), "append-only", id="no append-only file"),
        pytest.param(the_numbers(last_write_ok=False), "could not write", id="a failed write"),
        pytest.param(the_numbers(last_rewrite_ok=False), "could not write", id="a failed rewrite"),
        pytest.param(the_numbers(memory_bytes=86), "nearly full", id="memory"),
        pytest.param(
            the_numbers(groups=(GroupNumbers("items", "render", 1, 0, 61),)), "is a render service", id="render is late"
        ),
        pytest.param(
            the_numbers(groups=(GroupNumbers("pages", "notify", 1, 0, 61),)), "is a notify service", id="notify is late"
        ),
        pytest.param(the_numbers(unshown=UnshownNumbers(1, 301, 0)), "readers do not see it", id="unshown"),
        pytest.param(the_numbers(unshown=UnshownNumbers(0, 0, 2)), "cannot be rendered", id="unrenderable"),
        pytest.param(
            replace(the_numbers(unshown=UnshownNumbers(0, 0, 1)), vetoed=("press/a revision 2, by edition 3: no",)),
            "1; press/a revision 2, by edition 3: no",
            id="a vetoed item by name",
        ),
        pytest.param(
            replace(the_numbers(), refused_editions=("no titel (item.html line 3)",)),
            "refused: 1; no titel (item.html line 3)",
            id="a refused edition",
        ),
        pytest.param(the_numbers(queue={"overdue_seconds": 61.0}), "due for 61 s", id="deliveries are late"),
        pytest.param(the_numbers(dead_letters=2), "Events given up: 2", id="events given up"),
        pytest.param(the_numbers(queue={"dead_letters": 3}), "Deliveries given up: 3", id="deliveries given up"),
        pytest.param(the_numbers(queue={"endpoints": {"disabled": 1}}), "disabled: 1", id="an endpoint disabled"),
    ],
)
def test_each_trouble_is_named_once(numbers: StoreNumbers, words: str) -> None:
    (concern,) = concerns_of(numbers)

    assert words in concern.sentence(numbers)


def test_no_limit_of_memory_is_never_nearly_reached() -> None:
    assert list(concerns_of(the_numbers(memory_bytes=10**9, memory_limit_bytes=0))) == []


def test_a_disk_is_nearly_full_below_a_tenth() -> None:
    assert DISK_NEARLY_FULL.is_found(0.099)
    assert not DISK_NEARLY_FULL.is_found(0.1)


def test_the_worst_concern_stands_first() -> None:
    numbers = the_numbers(append_only=False, dead_letters=1, queue={"endpoints": {"disabled": 1}})

    assert [concern.name for concern in concerns_of(numbers)] == [
        *("StoreNotDurable", "EventsGivenUp", "EndpointsDisabled"),
    ]
