"""A name service of the tests."""

from collections.abc import Sequence
from ipaddress import ip_address

from shared.egress.address_classes import Address


class Names:
    """A name service of the test; each name's answers come one after the other, the last one again and again."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        answers = self._answers[host.partition(".")[0]]
        return [ip_address(one) for one in (answers.pop(0) if len(answers) > 1 else answers[0])]
