"""Signatures, against the vectors of Standard Webhooks and its official library."""

import base64
import time

import pytest
from standardwebhooks import Webhook

from services.notify.channels.signing import new_secret, signature_header, signing_key

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SYMMETRIC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SYMMETRIC_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ASYMMETRIC = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
ASYMMETRIC_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


@pytest.mark.parametrize(
    ("secret", "signature"), [(SYMMETRIC, SYMMETRIC_SIGNATURE), (ASYMMETRIC, ASYMMETRIC_SIGNATURE)]
)
def test_the_vectors_hold(secret: str, signature: str) -> None:
    assert signature_header([signing_key(secret)], ID, TIMESTAMP, BODY) == signature


def test_during_a_rotation_every_secret_signs() -> None:
    keys = [signing_key(SYMMETRIC), signing_key(ASYMMETRIC)]

    assert signature_header(keys, ID, TIMESTAMP, BODY) == f"{SYMMETRIC_SIGNATURE} {ASYMMETRIC_SIGNATURE}"


def test_the_official_library_verifies_with_either_secret_of_a_rotation() -> None:
    old, new = new_secret(), new_secret()
    now = int(time.time())
    header = signature_header([signing_key(new), signing_key(old)], "msg", now, BODY)
    headers = {"webhook-id": "msg", "webhook-timestamp": str(now), "webhook-signature": header}

    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}


def test_unpadded_secrets_are_taken() -> None:
    padded = "whsec_" + base64.b64encode(b"x" * 25).decode()

    unpadded = signing_key(padded.rstrip("="))

    assert unpadded.sign(BODY) == signing_key(padded).sign(BODY)


@pytest.mark.parametrize(
    ("secret", "trouble"),
    [
        pytest.param("", "begins with", id="empty"),
        pytest.param("secret", "begins with", id="no prefix"),
        pytest.param("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "begins with", id="a public key"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 23).decode(), "24 to 64", id="too short"),
        pytest.param("whsec_" + base64.b64encode(b"x" * 65).decode(), "24 to 64", id="too long"),
        pytest.param("whsec_!!!!", "base64", id="not base64"),
        pytest.param("whsk_" + base64.b64encode(b"x" * 32).decode(), "64 bytes", id="half a key"),
    ],
)
def test_an_unusable_secret_is_refused_with_its_reason(secret: str, trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble):
        signing_key(secret)


@pytest.mark.parametrize("size", [24, 64])
def test_the_shortest_and_the_longest_secret_are_taken(size: int) -> None:
    signing_key("whsec_" + base64.b64encode(b"x" * size).decode())
