"""The LRU cache: what it keeps, and what goes first."""

from shared.runtime.lru import Lru


def test_the_value_that_was_used_least_recently_goes_first() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")

    cache.put("c", 3)

    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_heavy_values_push_out_more_than_one() -> None:
    cache: Lru[str, str] = Lru(10, weigh=len)
    cache.put("a", "4444")
    cache.put("b", "4444")

    cache.put("c", "88888888")

    assert [cache.get(key) for key in "abc"] == [None, None, "88888888"]


def test_a_value_that_is_replaced_or_dropped_weighs_no_more() -> None:
    cache: Lru[str, str] = Lru(10, weigh=len)
    cache.put("a", "88888888")
    cache.put("a", "22")
    cache.put("b", "88888888")
    cache.drop("b")
    cache.drop("b")

    cache.put("c", "88888888")

    assert [cache.get(key) for key in "abc"] == ["22", None, "88888888"]
