"""Search: words in any form, only what readers can see, as soon as it is published."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.rebuild.publishing_load import PublishingLoad
from services.render.search.index import SearchIndex
from services.render.text.stemming import fold, highlighted, stem, terms_of
from shared.model.ids import ItemId
from shared.model.items import Withdrawal
from tests.render.newsroom import FIRST_DAY, Press, a_press, reading


@pytest.fixture
async def http(press: Press) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of the press's site."""
    async with reading(press) as client:
        yield client


async def found(http: httpx.AsyncClient, question: str, **filters: Any) -> list[str]:  # Any: query values
    response = await http.get("/v1/search", params={"q": question, **filters})
    assert response.status_code == 200, response.text
    return [item["external_id"] for item in response.json()["items"]]


@pytest.mark.parametrize(
    ("lang", "text", "question"),
    [
        pytest.param("ru", "Распоряжение порта", "распоряжений", id="ru: another case and number"),
        pytest.param("ru", "Портовая служба", "портовой службы", id="ru: an adjective"),
        pytest.param("ru", "Ещё один документ", "еще документы", id="ru: e for yo"),
        pytest.param("ru", "Распоряжение порта", "распоряж", id="ru: a beginning"),
        pytest.param("az", "Nazirlik bildirib", "nazirliyin", id="az: a softened consonant"),
        pytest.param("az", "İdarənin sənədi", "IDARE senedleri", id="az: capital I, letters of another keyboard"),
        pytest.param("en", "The cities of the coast", "city", id="en: a plural"),
        pytest.param("en", "The harbour opened", "opening harb", id="en: another form and a beginning"),
        pytest.param("ar", "الوثائق الجديدة", "وثائق", id="ar: without the article"),
        pytest.param("ar", "ميناء", "للميناء", id="ar: with a preposition"),
        pytest.param("ar", "مَدْرَسَة", "مدرسه", id="ar: without vowel signs"),
    ],
)
def test_a_word_is_found_in_another_form(lang: str, text: str, question: str) -> None:
    hits = [piece for piece, is_hit in highlighted(text, terms_of(question, [lang]), lang) if is_hit]

    assert len(hits) == len(question.split())


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ёлка", "елка"),
        ("İSTANBUL", "istanbul"),
        ("\u0131s\u0131", "isi"),
        ("Çölə", "cole"),
        ("ÉTÉ", "ete"),
        ("مـيناء", "ميناء"),
    ],
)
def test_words_are_compared_without_case_and_signs(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_stem_keeps_some_letters() -> None:
    assert stem("дом", "ru") == "дом"
    assert stem("ies", "en") == "ies"


async def test_an_item_is_found_once_it_is_rendered_with_its_matches_marked(
    press: Press, http: httpx.AsyncClient
) -> None:
    await press.newsroom.publish(
        "a", title="The <harbour> opens", body="One.\n\nThe mayor opened the harbours at noon."
    )
    await press.render()

    page = (await http.get("/en/search/", params={"q": "harbour opening"})).text

    assert "The &lt;<mark>harbour</mark>&gt; <mark>opens</mark>" in page
    assert "<mark>opened</mark> the <mark>harbours</mark> at noon." in page
    assert '<meta name="robots" content="noindex">' in page


async def test_every_word_must_be_there_and_the_newest_comes_first(press: Press, http: httpx.AsyncClient) -> None:
    await press.newsroom.publish("old", body="harbour bridge")
    await press.newsroom.publish("new", body="harbour bridge", published_at=FIRST_DAY + timedelta(days=1))
    await press.newsroom.publish("other", body="harbour road")
    await press.render()

    assert await found(http, "bridge harbour") == ["new", "old"]


async def test_filters_narrow_to_language_section_and_days(press: Press, http: httpx.AsyncClient) -> None:
    await press.newsroom.publish("news", body="harbour")
    await press.newsroom.publish("order", section="documents/orders", body="harbour")
    await press.newsroom.publish("later", body="harbour", published_at=FIRST_DAY + timedelta(days=10))
    await press.newsroom.publish("ru", lang="ru", body="harbour")
    await press.render()

    assert set(await found(http, "harbour")) == {"news", "order", "later", "ru"}
    assert await found(http, "harbour", lang="ru") == ["ru"]
    assert await found(http, "harbour", section="documents") == ["order"]
    assert await found(http, "harbour", since="2026-05-02") == ["later"]
    assert set(await found(http, "harbour", until="2026-05-01", lang="en")) == {"news", "order"}


async def test_what_was_withdrawn_or_rewritten_is_found_no_more(press: Press, http: httpx.AsyncClient) -> None:
    await press.newsroom.publish("gone", body="harbour")
    await press.newsroom.publish("noticed", body="harbour")
    await press.newsroom.publish("rewritten", body="harbour")
    await press.render()

    await press.newsroom.withdraw("gone")
    await press.newsroom.withdraw("noticed", Withdrawal(mode="notice", notice="Wrong."))
    await press.newsroom.publish("rewritten", body="bridge")
    assert set(await found(http, "harbour")) == {
        "gone",
        "noticed",
        "rewritten",
    }  # what readers see until they are shown
    await press.render()

    assert await found(http, "harbour") == []
    assert await found(http, "bridge") == ["rewritten"]


async def test_two_replicas_keep_one_index(press: Press, redis: Redis, http: httpx.AsyncClient) -> None:
    other = await a_press(redis, press.settings)
    await press.newsroom.publish("a", body="harbour")
    await press.render()
    await press.newsroom.publish("b", body="harbour")
    await other.render()

    assert set(await found(http, "harbour")) == {"a", "b"}


async def test_a_rebuild_mends_the_index(press: Press, http: httpx.AsyncClient) -> None:
    a = await press.newsroom.publish("a", body="harbour")
    b = await press.newsroom.publish("b", body="harbour")
    await press.newsroom.publish("c", body="harbour")
    await press.render()
    index = SearchIndex(Output(press.settings.output_dir).search_file)
    with index.transaction():
        index.remove(a.item.id)
        index.put(replace(b, item=replace(b.item, id=ItemId("stranger"), released_at=FIRST_DAY)))

    await press.rendering.rebuild.run()

    assert set(await found(http, "harbour")) == {"a", "b", "c"}
    assert await press.rendering.search.remove_unpublished(PublishingLoad(press.redis).until_idle) == 0


@pytest.mark.parametrize("question", ['"', "a AND", "words:x", "(", "*", "NEAR(", "", "ъ" * 200, "a\0b"])
async def test_no_question_breaks_the_search(http: httpx.AsyncClient, question: str) -> None:
    assert await found(http, question) == []
    assert (await http.get("/en/search/", params={"q": question, "since": "never", "page": "x"})).status_code == 200


async def test_a_filter_that_the_site_does_not_have_is_named(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/search", params={"q": "x", "lang": "xx", "section": "nowhere"})

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/lang", "/section"]


async def test_results_go_on_on_the_next_page(press: Press, http: httpx.AsyncClient) -> None:
    for number in range(25):
        await press.newsroom.publish(f"item-{number}", body="harbour")
    await press.render()

    first = (await http.get("/v1/search", params={"q": "harbour"})).json()
    second = (await http.get(first["next"])).json()

    assert len(first["items"]) == 20
    assert len({item["id"] for item in first["items"] + second["items"]}) == 25
    assert second["next"] is None
