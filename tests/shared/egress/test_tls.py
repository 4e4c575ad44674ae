"""Webhooks over TLS, against a real server with a certificate of the test's own authority."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from shared.egress.egress import Egress, open_egress
from shared.egress.http_connection import NoAnswer
from shared.egress.name_resolver import NameResolver
from tests.notify.factories import LOOPBACK
from tests.shared.egress.names import Names

DEADLINE = timedelta(seconds=5)
NAMES = {"hooks": [["127.0.0.1"]], "elsewhere": [["127.0.0.1"]]}


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a certificate for hooks.example and 127.0.0.1, and have it trusted as the environment says."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.DNSName("hooks.example"), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@asynccontextmanager
async def a_secure_server(certificate: Path) -> AsyncIterator[tuple[int, list[str]]]:
    """Answer two requests on each connection; yields the port, and the servers' names as clients asked for them."""
    asked: list[str] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: asked.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def post(egress: Egress, url: str) -> bytes:
    return (await egress.post(URL(url), {}, b"{}")).body


async def deliver(certificate: Path) -> list[str]:
    async with (
        a_secure_server(certificate) as (port, asked),
        open_egress(LOOPBACK, DEADLINE, NameResolver(Names(**NAMES))) as egress,
    ):
        bodies = [await post(egress, f"https://{host}:{port}/") for host in ("hooks.example", "127.0.0.1")]
        bodies.append(await post(egress, f"https://hooks.example:{port}/again"))
    assert bodies == [b"ok"] * 3
    return asked


async def test_a_certificate_of_a_trusted_authority_is_taken_and_the_connection_kept(certificate: Path) -> None:
    asked = await deliver(certificate)

    # Two connections: an address has no name to ask for (RFC 6066, section 3), the third request found the first's.
    assert asked == ["hooks.example", None]


def test_the_loop_that_services_run_on_does_the_same(certificate: Path) -> None:
    assert uvloop.run(deliver(certificate)) == ["hooks.example", None]


async def test_a_certificate_for_another_name_is_refused(certificate: Path) -> None:
    async with (
        a_secure_server(certificate) as (port, _),
        open_egress(LOOPBACK, DEADLINE, NameResolver(Names(**NAMES))) as egress,
    ):
        with pytest.raises(NoAnswer) as caught:
            await post(egress, f"https://elsewhere.example:{port}/")

    assert caught.value.reason == "tls"
    assert "elsewhere.example" in caught.value.detail


async def test_an_authority_that_nobody_trusts_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with a_secure_server(certificate) as (port, _), open_egress(LOOPBACK, DEADLINE) as egress:
        with pytest.raises(NoAnswer) as caught:
            await post(egress, f"https://127.0.0.1:{port}/")

    assert caught.value.reason == "tls"
