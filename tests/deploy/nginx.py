"""The front door of deploy/nginx.conf, run for a test: the file itself, with this machine's places put in."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import eventually

TEMPLATE = Path(__file__).parents[2] / "deploy/nginx.conf"
# Debian puts it where only root's PATH looks.
PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed: the front door is NOT tested here")

# What the image's own nginx.conf has around it.
_MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Behind:
    """Where the front door stands, and what is behind it."""

    port: int
    site: Path
    ingest: int
    render: int
    notify: int


@contextlib.asynccontextmanager
async def running_nginx(folder: Path, behind: Behind) -> AsyncIterator[str]:
    """Run nginx while the block runs; yields its address."""
    _write_configuration(folder, behind)
    process = await asyncio.create_subprocess_exec(
        PROGRAM or "nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf"), "-p", str(folder)
    )
    try:
        await eventually(lambda: _listens(process, behind.port, folder), "nginx listening")
        yield f"http://127.0.0.1:{behind.port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _write_configuration(folder: Path, behind: Behind) -> None:
    folder.mkdir()
    (folder / "site.conf").write_text(_filled_in(folder, behind))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(user=user, folder=folder))


def _filled_in(folder: Path, behind: Behind) -> str:
    text = TEMPLATE.read_text()
    places = {
        "${CLARION_BASE_URL}": f"http://127.0.0.1:{behind.port}",
        "${CLARION_INGEST}": f"127.0.0.1:{behind.ingest}",
        "${CLARION_RENDER}": f"127.0.0.1:{behind.render}",
        "${CLARION_NOTIFY}": f"127.0.0.1:{behind.notify}",
        "${CLARION_RESOLVER}": "127.0.0.1",
        "listen 8080;": f"listen 127.0.0.1:{behind.port};",
        "root /srv/site;": f"root {behind.site};",
        "/dev/stdout": str(folder / "access.log"),
    }
    for there, here in places.items():
        assert there in text, f"deploy/nginx.conf no longer says {there}"
        text = text.replace(there, here)
    return text


async def _listens(process: asyncio.subprocess.Process, port: int, folder: Path) -> bool:
    assert process.returncode is None, (folder / "error.log").read_text()
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
