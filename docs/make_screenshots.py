"""Take the README's screenshots: start Clarion with the example newsroom and let headless Chromium look at it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from services.dev.example import example_items

OUT = Path(__file__).parent / "screenshots"
PORT = 8765
BASE = f"http://127.0.0.1:{PORT}"
ALL = ("home", "article", "document", "archive", "search")
PICTURES = {"en": ("home", "article"), "ru": ALL, "ar": ALL}
SCHEMES = {"light": 1, "dark": 0}  # Blink's numbers for preferredColorScheme
SEARCH_WORDS = {"en": "harbour", "ru": "порт", "ar": "الميناء"}


@contextlib.contextmanager
def clarion() -> Iterator[httpx.Client]:
    """Run `clarion dev` while the block runs."""
    with tempfile.TemporaryDirectory() as data, httpx.Client(base_url=BASE, follow_redirects=True) as client:
        command = [sys.executable, "-m", "services", "dev", "--port", str(PORT), "--data", data]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_published(client)
            yield client
        finally:
            process.terminate()
            process.wait()


def wait_until_published(client: httpx.Client) -> None:
    """Return when every item of the example can be read."""
    expected = len(example_items())
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            events = client.get("/v1/events", params={"limit": 1000}).json().get("events", [])
            if len(events) >= expected:
                return
        time.sleep(0.2)
    raise TimeoutError("the example newsroom was not published in two minutes")


def pages(client: httpx.Client, lang: str) -> dict[str, str]:
    """Return the pages to look at, by what they are."""
    article = first_item(client, f"/{lang}/news/")
    return {
        "home": f"/{lang}/",
        "article": article,
        "document": first_item(client, f"/{lang}/documents/"),
        "archive": f"/{lang}/news/{'/'.join(article.split('/')[-4:-2])}/",
        "search": f"/{lang}/search/?q={SEARCH_WORDS[lang]}",
    }


def first_item(client: httpx.Client, listing: str) -> str:
    """Return the path of the newest item of a section."""
    path = re.search(rf'href="({re.escape(listing)}(?:[a-z-]+/)?\d{{4}}/\d\d/[^/"]+/)"', client.get(listing).text)
    if path is None:
        raise LookupError(f"{listing} lists no item")
    return path.group(1)


def take(chromium: str, url: str, file: Path, scheme: int) -> None:
    """Write a picture of the page as a desktop reader sees it."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--blink-settings=preferredColorScheme={scheme}",
                "--window-size=1280,900",
                f"--screenshot={file}",
                url,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def main() -> int:
    """Take every picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium", file=sys.stderr)
        return 1
    OUT.mkdir(exist_ok=True)
    os.environ.setdefault("CLARION_BOOTSTRAP_KEY", "screenshots-0123456789-0123456789-0123")
    with clarion() as client:
        for lang, names in PICTURES.items():
            paths = pages(client, lang)
            for name in names:
                for scheme, number in SCHEMES.items():
                    take(chromium, BASE + paths[name], OUT / f"{name}-{lang}-{scheme}.png", number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
