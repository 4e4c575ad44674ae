"""The built-in web server: pages, what became of those that are gone, and what nobody may reach."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.model.items import Withdrawal
from tests.render.newsroom import Press, reading


@pytest.fixture
async def http(press: Press) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of the press's site."""
    await press.rendering.rebuild.run()
    async with reading(press) as client:
        yield client


async def test_the_root_leads_to_the_default_language(http: httpx.AsyncClient) -> None:
    response = await http.get("/")

    assert (response.status_code, response.headers["location"]) == (302, "/en/")


async def test_a_composed_page_has_a_validator_over_page_and_fragment_and_no_date(
    press: Press, http: httpx.AsyncClient
) -> None:
    item = await press.newsroom.publish("a")
    await press.render()
    first = await http.get(item.path)
    known = {"If-None-Match": first.headers["etag"]}
    assert (await http.get(item.path, headers=known)).status_code == 304

    await press.newsroom.publish("b", title="A new order", section="documents")
    await press.render()

    second = await http.get(item.path, headers=known)
    assert second.status_code == 200
    assert "A new order" in second.text
    assert "last-modified" not in second.headers
    assert second.headers["cache-control"] == "no-cache"


async def test_a_feed_is_answered_304_by_its_date_and_by_its_tag(press: Press, http: httpx.AsyncClient) -> None:
    await press.newsroom.publish("a")
    await press.render()

    first = await http.get("/en/feed.atom")

    dated = {"If-Modified-Since": first.headers["last-modified"]}
    assert (await http.get("/en/feed.atom", headers=dated)).status_code == 304
    assert (await http.get("/en/feed.atom", headers={"If-None-Match": first.headers["etag"]})).status_code == 304
    # RFC 9110, section 13.2.2: the tag wins over the date.
    other = {**dated, "If-None-Match": '"another"'}
    assert (await http.get("/en/feed.atom", headers=other)).status_code == 200


async def test_head_answers_as_get_without_a_body(press: Press, http: httpx.AsyncClient) -> None:
    item = await press.newsroom.publish("a")
    await press.render()

    got, head = await http.get(item.path), await http.head(item.path)

    assert head.content == b""
    assert head.headers == got.headers


async def test_hub_and_self_stand_in_one_link_header(press: Press, http: httpx.AsyncClient) -> None:
    await press.newsroom.publish("a")
    await press.render()

    response = await http.get("/en/feed.atom")

    base = press.settings.base_url
    assert response.headers.get_list("link") == [f'<{base}/hub>; rel="hub", <{base}/en/feed.atom>; rel="self"']


async def test_a_withdrawn_item_is_410_with_a_page(press: Press, http: httpx.AsyncClient) -> None:
    item = await press.newsroom.publish("a")
    await press.newsroom.withdraw("a")
    await press.render()

    response = await http.get(item.path)

    assert response.status_code == 410
    assert "withdrawn" in response.text
    assert response.headers["cache-control"] == "no-store"


async def test_an_item_withdrawn_with_a_redirect_is_301(press: Press, http: httpx.AsyncClient) -> None:
    item = await press.newsroom.publish("a")
    await press.newsroom.withdraw("a", Withdrawal(mode="redirect", to="/en/news/"))
    await press.render()

    response = await http.get(item.path)

    assert (response.status_code, response.headers["location"]) == (301, "/en/news/")


async def test_an_address_answers_as_readers_see_the_item_until_its_move_is_shown(
    press: Press, http: httpx.AsyncClient
) -> None:
    first, second, third = [
        await _moved(press, slug, is_shown=slug != "third") for slug in ("first", "second", "third")
    ]

    oldest, old, new = [await http.get(path) for path in (first, second, third)]

    assert (oldest.status_code, oldest.headers["location"]) == (301, second)
    # A 301 from there to the old address would be kept by browsers, and the way back would be a circle.
    assert (old.status_code, new.status_code) == (200, 404)
    await press.render()
    oldest, old, new = [await http.get(path) for path in (first, second, third)]
    assert (oldest.headers["location"], old.headers["location"], new.status_code) == (third, third, 200)


async def _moved(press: Press, slug: str, *, is_shown: bool) -> str:
    path = (await press.newsroom.publish("mover", slug=slug)).path
    if is_shown:
        await press.render()
    return path


async def test_an_address_that_readers_know_stays_known_while_the_item_moves_back(
    press: Press, http: httpx.AsyncClient
) -> None:
    first, second = [await _moved(press, slug, is_shown=True) for slug in ("first", "second")]
    await _moved(press, "first", is_shown=False)

    response = await http.get(first)

    assert (response.status_code, response.headers["location"]) == (301, second)


async def test_an_item_that_was_never_shown_has_no_address_and_is_no_target(
    press: Press, http: httpx.AsyncClient
) -> None:
    target = await press.newsroom.publish("target")
    leaving = await press.newsroom.publish("leaving")
    batch = await press.take()
    await press.render(batch[1:])
    await press.newsroom.withdraw("leaving", Withdrawal(mode="redirect", to=target.path))
    await press.render()

    assert (await http.get(target.path)).status_code == 404
    assert (await http.get(leaving.path)).headers["location"] == target.path
    await press.render(batch[:1])
    assert (await http.get(target.path)).status_code == 200


async def test_a_redirect_follows_what_became_of_its_target_in_one_step(press: Press, http: httpx.AsyncClient) -> None:
    item = await press.newsroom.publish("a", slug="one")
    target = await press.newsroom.publish("b", slug="two")
    await press.newsroom.withdraw("a", Withdrawal(mode="redirect", to=target.path))
    moved = await press.newsroom.publish("b", slug="three")
    await press.render()
    to_a_moved_one = await http.get(item.path)
    await press.newsroom.withdraw("b", Withdrawal(mode="redirect", to="https://example.org/"))
    await press.render()

    onwards = await http.get(item.path)

    assert (to_a_moved_one.status_code, to_a_moved_one.headers["location"]) == (301, moved.path)
    assert (onwards.status_code, onwards.headers["location"]) == (301, "https://example.org/")


async def test_redirects_that_lead_back_to_one_another_end_at_a_page_that_says_so(
    press: Press, http: httpx.AsyncClient
) -> None:
    items = [await press.newsroom.publish(name, slug=name) for name in ("a", "b")]
    for name, other in zip(("a", "b"), reversed(items), strict=True):
        await press.newsroom.withdraw(name, Withdrawal(mode="redirect", to=other.path))
    await press.render()

    answers = [await http.get(item.path) for item in items]

    assert [answer.status_code for answer in answers] == [410, 410]


async def test_every_old_path_of_an_item_leads_straight_to_its_newest(press: Press, http: httpx.AsyncClient) -> None:
    first = await press.newsroom.publish("a", slug="one")
    second = await press.newsroom.publish("a", slug="two")
    third = await press.newsroom.publish("a", slug="three")
    await press.render()

    for old in (first, second):
        response = await http.get(old.path)
        assert (response.status_code, response.headers["location"]) == (301, third.path)


async def test_a_path_without_its_last_slash_leads_to_the_page(press: Press, http: httpx.AsyncClient) -> None:
    item = await press.newsroom.publish("a")
    await press.render()

    response = await http.get(item.path.rstrip("/"))

    assert (response.status_code, response.headers["location"]) == (301, item.path)


@pytest.mark.parametrize(
    "path",
    [
        "/en/nothing/here/",
        "/.clarion/built",
        "/.clarion/locks/items-1",
        "/en/.hidden",
        "/_fragments/en/latest.html",
        "/%5ffragments/en/latest.html",
        "/en/../../site.toml",
        "/en/%2e%2e/%2e%2e/site.toml",
        "/..%2fsite.toml",
        "//en/",
        "/en/%00",
        "/en/" + "a" * 600,
    ],
    ids=lambda path: path[:30],
)
async def test_nobody_reaches(http: httpx.AsyncClient, path: str) -> None:
    # As bytes: the client would tidy the path up.
    response = await http.get(httpx.URL(http.base_url, raw_path=path.encode()))

    assert response.status_code == 404
    assert "<h1>" in response.text


async def test_a_page_allows_nothing_but_its_own_and_pictures_over_https(http: httpx.AsyncClient) -> None:
    response = await http.get("/en/")

    assert "default-src 'self'; img-src 'self' https:" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_static_files_may_be_kept_for_ever(press: Press, http: httpx.AsyncClient) -> None:
    (path,) = [path for path in await _static_paths(press) if path.endswith(".css")]

    response = await http.get(path)

    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/css; charset=utf-8"


async def _static_paths(press: Press) -> list[str]:
    root = press.settings.output_dir
    return ["/" + file.relative_to(root).as_posix() for file in (root / "static").rglob("*") if file.is_file()]
