"""Every setting of every service: one frozen class, read from `CLARION_*` variables."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network

# 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts over 75 hours.
STANDARD_RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)

# Where container engines put secrets: a file `clarion_secrets_key` is as good as the variable, which wins over it.
_SECRETS_FOLDER = Path("/run/secrets")


def _comma_separated(value: Any) -> Any:  # Any: whatever the environment or a test handed in
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


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

    purge_urls: Annotated[tuple[str, ...], NoDecode] = ()

    claim_after: timedelta = timedelta(seconds=10)
    items_retention: timedelta = timedelta(days=1)
    log_retention: timedelta = timedelta(days=30)

    shards: Annotated[int, Field(ge=1, le=64)] = 8
    egress_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    retry_schedule: Annotated[tuple[timedelta, ...], NoDecode] = tuple(
        timedelta(seconds=seconds) for seconds in STANDARD_RETRY_SECONDS
    )
    attempt_timeout: timedelta = timedelta(seconds=15)
    lease_min: timedelta = timedelta(hours=1)
    lease_default: timedelta = timedelta(days=10)
    lease_max: timedelta = timedelta(days=30)
    websub_signature: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    rsscloud: bool = False

    console_session: timedelta = timedelta(hours=8)
    ingest_url: str | None = None

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:  # Any: see _comma_separated
        return tuple(ip_network(part) if isinstance(part, str) else part for part in _comma_separated(value))

    @field_validator("purge_urls", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:  # Any: see _comma_separated
        return tuple(_comma_separated(value))

    @field_validator("retry_schedule", mode="before")
    @classmethod
    def _waits(cls, value: Any) -> Any:  # Any: see _comma_separated
        parts = _comma_separated(value)
        return tuple(part if isinstance(part, timedelta) else timedelta(seconds=float(part)) for part in parts)

    @field_validator(
        *("claim_after", "items_retention", "log_retention", "attempt_timeout"),
        *("lease_min", "lease_default", "lease_max", "console_session"),
        mode="before",
    )
    @classmethod
    def _seconds(cls, value: Any) -> Any:  # Any: see _comma_separated
        return value if isinstance(value, timedelta) else timedelta(seconds=float(value))

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
