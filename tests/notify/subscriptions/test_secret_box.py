"""Secrets at rest."""

import pytest
from pydantic import SecretStr

from services.notify.subscriptions.secret_box import MissingSecretsKey, SecretBox, UnreadableSecret

BOX = SecretBox(SecretStr("a key"))


def test_what_was_sealed_opens_for_its_owner() -> None:
    sealed = BOX.seal("whsec_x", "sub1")

    assert "whsec" not in sealed
    assert BOX.open(sealed, "sub1") == "whsec_x"


def test_two_seals_of_one_secret_differ() -> None:
    assert BOX.seal("whsec_x", "sub1") != BOX.seal("whsec_x", "sub1")


def test_it_opens_for_no_other_owner() -> None:
    with pytest.raises(UnreadableSecret):
        BOX.open(BOX.seal("whsec_x", "sub1"), "sub2")


def test_it_opens_under_no_other_key() -> None:
    with pytest.raises(UnreadableSecret):
        SecretBox(SecretStr("another")).open(BOX.seal("whsec_x", "sub1"), "sub1")


@pytest.mark.parametrize("key", [None, SecretStr("")])
def test_without_a_key_the_service_does_not_start(key: SecretStr | None) -> None:
    with pytest.raises(MissingSecretsKey, match="CLARION_SECRETS_KEY"):
        SecretBox(key)
