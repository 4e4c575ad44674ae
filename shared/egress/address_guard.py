"""Which addresses and URLs a callback may have."""

from collections.abc import Sequence

from yarl import URL

from shared.egress.address_classes import Address, Network, literal_address, refused_class
from shared.model.errors import ClarionError

_SCHEMES = ("http", "https")


class BlockedAddress(ClarionError):
    """The address is of a class that callbacks may not reach; CLARION_EGRESS_ALLOW opens networks."""


class AddressGuard:
    """Decides for each address whether callbacks may reach it."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, address: Address, host: str) -> None:
        """Raise BlockedAddress, naming the class, unless the address is public or allowed."""
        refused = refused_class(address, self._allowed)
        if refused is not None:
            raise BlockedAddress(f"{host} is at {address}, which is {refused}" if host else f"{address} is {refused}")

    def check_host(self, host: str) -> None:
        """Raise BlockedAddress for a host that spells a refused address, in any notation; names pass."""
        address = literal_address(host)
        if address is not None:
            self.check(address, "" if str(address) == host else host)


def url_problem(url: str, guard: AddressGuard) -> str | None:
    """Return why a URL cannot be a callback, or None. A name is not resolved here, but before each request."""
    try:
        parsed = URL(url)
    except ValueError as error:
        return f"not a URL: {error}"
    host = parsed.raw_host or ""
    if parsed.scheme not in _SCHEMES or not host:
        return "must be an absolute http:// or https:// URL"
    problems = {
        "must not have an encoded host": "%" in host.partition("%25")[0],
        "must not carry a user or a password: use headers": parsed.raw_authority.rpartition("@")[1] != "",
        "must not have a fragment": "#" in url,
    }
    try:
        guard.check_host(host)
    except BlockedAddress as error:
        problems[f"cannot be reached from here: {error}"] = True
    return next((problem for problem, is_there in problems.items() if is_there), None)
