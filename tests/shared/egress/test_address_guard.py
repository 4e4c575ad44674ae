"""Which URLs a callback may have."""

import pytest

from shared.egress.address_guard import AddressGuard, url_problem


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        pytest.param("ftp://example.org/", "http", id="another scheme"),
        pytest.param("//example.org/", "absolute", id="no scheme"),
        pytest.param("http:///path", "absolute", id="no host"),
        pytest.param("http://user:pass@example.org/", "password", id="a password"),
        pytest.param("http://user@example.org/", "user", id="a user"),
        pytest.param("http://example.org/#part", "fragment", id="a fragment"),
        pytest.param("http://example.org:99999/", "not a URL", id="no such port"),
        pytest.param("http://[::1/", "not a URL", id="a broken bracket"),
        pytest.param("http://%31%32%37.0.0.1/", "encoded", id="an encoded host"),
        pytest.param("http://192.168.0.1/", "private", id="a private address"),
    ],
)
def test_a_url_that_is_unfit_is_refused_with_its_reason(url: str, trouble: str) -> None:
    problem = url_problem(url, AddressGuard())

    assert problem is not None
    assert trouble in problem


@pytest.mark.parametrize(
    "url", ["http://example.org", "https://example.org:8443/a?b=c", "https://8.8.8.8/", "https://bücher.example/"]
)
def test_an_ordinary_url_is_fit(url: str) -> None:
    assert url_problem(url, AddressGuard()) is None
