"""An operator at the console, as a browser without script would send what they do."""

import html
import re
from dataclasses import dataclass

import httpx

from tests.factories import ADMIN_KEY

_FORM = r'<form method="post" action="{action}"[^>]*>(.*?)</form>'
_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass
class ConsoleOperator:
    """Follows redirects only when asked to: where a button leads is part of what it does."""

    http: httpx.AsyncClient

    async def sign_in(self, key: str = ADMIN_KEY, then: str = "/console") -> httpx.Response:
        """Fill in the form and return the answer."""
        form = await self.page("/console/sign-in", then=then)
        return await self.http.post("/console/sign-in", data={**fields(form, "/console/sign-in"), "key": key})

    async def page(self, path: str, **query: str) -> str:
        """Return a page that must be there."""
        answer = await self.http.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def press(self, page: str, action: str, **more: str) -> str:
        """Press the page's button with this action and return the page that it leads to."""
        answer = await self.send(page, action, **more)
        assert answer.status_code == 303, answer.text
        return await self.page(answer.headers["location"])

    async def send(self, page: str, action: str, **more: str) -> httpx.Response:
        """Send the form with this action that stands in the page."""
        found = fields(await self.page(page), action)
        return await self.http.post(action, data={**found, **more})


def fields(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the page's form with this action; there must be one."""
    form = re.search(_FORM.format(action=re.escape(action)), page, re.DOTALL)
    assert form is not None, f"no form for {action} in:\n{page}"
    return {name: html.unescape(value) for name, value in _FIELD.findall(form.group(1))}


def text_of(page: str) -> str:
    """Return the page's text on one line, without its markup."""
    body = page.partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def said(page: str) -> str:
    """Return what the page tells of the last button; empty when it tells nothing."""
    found = re.search(r"<p class=\"said[^>]*>(.*?)</p>", page, re.DOTALL)
    return html.unescape(found.group(1)) if found else ""
