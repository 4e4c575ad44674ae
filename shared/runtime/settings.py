"""Every setting of every service: one frozen class, read from `CLARION_*` variables."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network

# 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts over 75 hours.
STANDARD_RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)

# Where container engines put secrets: a file `clarion_secrets_key` is as good as the variable, which wins over it.
_SECRETS_FOLDER = Path("/run/secrets")


def _parts(value: Any) -> Any:  # Any: what the environment or a test hands in
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _span(value: Any) -> Any:  # Any: see _parts
    return value if isinstance(value, timedelta) else timedelta(seconds=float(value))


def _network(value: Any) -> Any:  # Any: see _parts
    return ip_network(value) if isinstance(value, str) else value


_CommaSeparated = BeforeValidator(_parts)
Seconds = Annotated[timedelta, BeforeValidator(_span)]


class Settings(BaseSettings):
    """deploy/env.example shows every variable with its default and its reason."""

    model_config = SettingsConfigDict(
        env_prefix="CLARION_",
        frozen=True,
        extra="forbid",
        secrets_dir=_SECRETS_FOLDER if _SECRETS_FOLDER.is_dir() else None,
    )

    redis_url: str = "redis://127.0.0.1:6379/0"
    site_file: Path = Path("site.toml")
    output_dir: Path = Path("data/output")
    base_url: str = "http://127.0.0.1:8000"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    log_format: str = "json"

    bootstrap_key: SecretStr | None = None
    secrets_key: SecretStr | None = None
    rate_limit: Annotated[int, Field(ge=0)] = 0
    wait_replicas: Annotated[int, Field(ge=0)] = 0
    allow_weak_durability: bool = False

    purge_urls: Annotated[tuple[str, ...], NoDecode, _CommaSeparated] = ()

    claim_after: Seconds = timedelta(seconds=10)
    items_retention: Seconds = timedelta(days=1)
    log_retention: Seconds = timedelta(days=30)

    shards: Annotated[int, Field(ge=1, le=64)] = 8
    egress_allow: Annotated[tuple[Annotated[Network, BeforeValidator(_network)], ...], NoDecode, _CommaSeparated] = ()
    retry_schedule: Annotated[tuple[Seconds, ...], NoDecode, _CommaSeparated] = tuple(
        timedelta(seconds=seconds) for seconds in STANDARD_RETRY_SECONDS
    )
    attempt_timeout: Seconds = timedelta(seconds=15)
    lease_min: Seconds = timedelta(hours=1)
    lease_default: Seconds = timedelta(days=10)
    lease_max: Seconds = timedelta(days=30)
    websub_signature: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    rsscloud: bool = False

    console_session: Seconds = timedelta(hours=8)
    ingest_url: str | None = None

    @field_validator("base_url", "ingest_url")
    @classmethod
    def _without_trailing_slash(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("bootstrap_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must be at least 32 characters")
        return value
