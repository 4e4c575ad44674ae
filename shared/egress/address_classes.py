"""Which addresses callbacks never reach, and what class each belongs to."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `is_global` alone is not enough: on Python 3.11 it passes NAT64, 6to4, multicast and 192.88.99.0/24. The first network
# that holds an address names its class, so narrow ones stand before wide ones (IANA special-purpose registries).
_REFUSED: tuple[tuple[str, str], ...] = (
    ("255.255.255.255/32", "broadcast"),
    ("0.0.0.0/8", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.100.100.200/32", "cloud metadata"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("169.254.169.254/32", "cloud metadata"),
    ("169.254.170.2/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("168.63.129.16/32", "cloud metadata"),
    ("192.0.0.0/24", "IETF protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT relay"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("100::/64", "discard"),
    ("100:0:0:1::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "ORCHID"),
    ("2001:20::/28", "ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2001::/23", "IETF protocol assignments"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fd00:ec2::254/128", "cloud metadata"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
_REFUSED_NETWORKS = tuple((ip_network(network), name) for network, name in _REFUSED)
# All that is unicast today; whatever else IPv6 comes to mean is refused until it stands here.
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def refused_class(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Return the class for which the address is refused, or None for a public or allowed one."""
    if any(address in network for network in allowed if network.version == address.version):
        return None
    for network, name in _REFUSED_NETWORKS:
        if network.version == address.version and address in network:
            return name
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "reserved"
    return None


def literal_address(host: str) -> Address | None:
    """
    Return the address that a URL's host spells, or None for a name.

    Odd spellings count (2130706433, 0x7f.1, 0177.0.0.1), because the operating system takes them for addresses.
    """
    bare = host.strip("[]").partition("%")[0]
    try:
        return ip_address(bare)
    except ValueError:
        pass
    # inet_aton takes anything after a blank for a comment.
    if not re.fullmatch(r"[0-9a-fA-FxX.]+", bare):
        return None
    try:
        return IPv4Address(socket.inet_aton(bare.rstrip(".")))
    except OSError:
        return None
