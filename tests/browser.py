"""A headless Chromium, driven over its DevTools protocol: it clicks and types as a person does."""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.waiting import PATIENCE_SECONDS, eventually

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--remote-debugging-port=0", "--window-size=1280,1000"),
)


class Tab:
    """A page in the browser. `requested` is every address it asked for, `complaints` what it found wrong."""

    def __init__(self, socket: ClientConnection) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take in what the browser says, until it ends."""
        with contextlib.suppress(ConnectionClosed):  # it closes without a word
            async for raw in self._socket:
                self._take_in(json.loads(raw))

    def _take_in(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers.pop(message["id"]).set_result(message)
            return
        said = message["params"]
        match message["method"]:
            case "Network.requestWillBeSent":
                self.requested.append(said["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(said["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(said["exceptionDetails"]))

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command of the protocol and return its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await answer
        assert "error" not in message, message["error"]
        result: dict[str, Any] = message["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to the address and wait until its page is there."""
        await self.run("window.left = true")
        await self.send("Page.navigate", url=url)
        await self.until("!window.left && document.readyState === 'complete'")

    async def run(self, script: str) -> Any:  # Any: whatever the script comes to
        """Return what the script comes to in the page."""
        result = await self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until the script comes to true; a page that is just being replaced counts as false."""

        async def holds() -> bool:
            try:
                return await self.run(f"Boolean({script})") is True
            except AssertionError:
                return False

        await eventually(holds, script)

    async def text(self, selector: str = "body") -> str:
        """Return the text that can be seen in the element."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def shows(self, text: str, selector: str = "body") -> None:
        """Wait until the element shows the text."""
        await self.until(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")

    async def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the element."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        place = await self.run(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{ block: "center" }});
                const box = element.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def press(self, key: str) -> None:
        """Press a key that writes nothing, or Enter."""
        text = {"Enter": "\r"}.get(key)
        more = {"text": text, "windowsVirtualKeyCode": 13} if text else {"windowsVirtualKeyCode": {"Tab": 9}[key]}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def write(self, selector: str, text: str) -> None:
        """Type the text into the field."""
        await self.click(selector)
        await self.send("Input.insertText", text=text)

    async def dark(self, *, scheme: str = "dark") -> None:
        """Prefer the scheme from now on."""
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def picture(self) -> bytes:
        """Return a picture of the whole page, as PNG."""
        taken = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])


@contextlib.asynccontextmanager
async def a_tab(folder: Path) -> AsyncIterator[Tab]:
    """Run Chromium with a profile in the folder, and yield its one page. Skips the test where there is no Chromium."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"THE CONSOLE IS NOT TESTED IN A BROWSER: none of {', '.join(_NAMES)} is installed")
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, *_FLAGS, f"--user-data-dir={folder}", "about:blank", stdout=nothing, stderr=nothing
    )
    try:
        async with connect(await _page_address(folder), max_size=None) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            try:
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.send(f"{domain}.enable")
                yield tab
            finally:
                await tab.send("Browser.close")
                await listening
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


async def _page_address(folder: Path) -> str:
    announced = folder / "DevToolsActivePort"
    await eventually(lambda: announced.exists() and "\n" in announced.read_text(), "Chromium")
    port = announced.read_text().splitlines()[0]
    async with httpx.AsyncClient() as http:
        pages = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
