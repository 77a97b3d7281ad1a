"""All settings of HTC: one described field each, read from the environment and one TOML file.

Order of precedence: arguments, environment (``HTC_...``), the TOML file, the defaults below. The TOML
file is ``$HTC_CONFIG`` when set, else ``config.toml`` in ``HTC_HOME``.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from htc.errors import SettingsError

__all__ = ["Settings", "get_settings"]

DEFAULT_HOME = Path(platformdirs.user_data_dir("htc", appauthor=False))


def config_file() -> Path:
    """Path of the TOML settings file; it need not exist."""
    explicit = os.environ.get("HTC_CONFIG")
    if explicit:
        return Path(explicit).expanduser()
    return Path(os.environ.get("HTC_HOME") or DEFAULT_HOME).expanduser() / "config.toml"


def _split(value: object) -> object:
    """Names separated by commas, as an environment variable holds them; a list of the TOML file as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Settings of one HTC process."""

    model_config = SettingsConfigDict(env_prefix="HTC_", extra="forbid", frozen=True)

    home: Path = Field(
        default=DEFAULT_HOME,
        description="Folder where HTC keeps its data: the embedded database, logs, config.toml.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of a PostgreSQL 15+ server, e.g. postgresql+psycopg://user@host/db. "
        "Unset: an embedded PostgreSQL under HTC_HOME is started when needed. Set but empty: an error.",
    )
    data: Path | None = Field(
        default=None,
        description="Folder with the laboratory's training and test data (epc/, spectra/, ...). "
        "Needed only to train models and to run the tests marked 'data'.",
    )
    model: Path | None = Field(
        default=None,
        description="Folder of the electron-phonon model to use. Unset: the model shipped in the package.",
    )
    tier: Literal["fast", "default", "best"] = Field(
        default="default",
        description="Tier of the model: fast for a first cut of many, default, or best (needs the extra "
        "[mlip] and a quarter of a second a crystal).",
    )
    mu_star: float = Field(
        default=0.13,
        ge=0.0,
        le=0.5,
        description="Coulomb pseudopotential mu* of material predictions that name none.",
    )
    created_by: str = Field(
        default="htc",
        min_length=1,
        max_length=100,
        description="Name written into created_by of every stored row.",
    )
    evidence_licence: str | None = Field(
        default=None,
        max_length=500,
        description="Under which evidence packs may be used: an SPDX identifier (CC-BY-4.0), a URL, or a "
        "sentence. Unset: the packs say that nobody has said.",
    )
    materials_project_api_key: SecretStr | None = Field(
        default=None,
        description="Materials Project API key. When set, formulas of unknown structure are looked up there.",
    )
    optimade_provider: str | None = Field(
        default=None,
        description="Base URL of an OPTIMADE provider. When set, formulas of unknown structure are looked up "
        "there.",
    )
    sql_proxy_log: Path | None = Field(
        default=None,
        description="File with the output of a Cloud SQL proxy. `htc db doctor` reads it to tell an expired "
        "user login from expired Application Default Credentials.",
    )

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that `htc serve` listens on. Beyond this machine (0.0.0.0) keys are needed.",
    )
    access: Literal["keys", "open", "read-only"] | None = Field(
        default=None,
        description="Who may use the service: keys (everyone needs an access key), open (nobody does; on the "
        "loopback address only), or read-only (reading is open, all else needs a key). Unset: open on the "
        "loopback address, keys elsewhere.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Names the service answers to, separated by commas; *.example.org for all of a domain. "
        "Unset: on the loopback address those of this machine, elsewhere all.",
    )
    allowed_origins: Names = Field(
        default=(),
        description="Origins whose pages may use the API from a browser, separated by commas, e.g. "
        "https://lab.example.org. Unset: the service's own only.",
    )
    trusted_proxies: Names = Field(
        default=(),
        description="Addresses or networks of the proxies before the service, separated by commas. Only "
        "their X-Forwarded-For and X-Forwarded-Proto are believed. Unset: none.",
    )

    database_password: SecretStr | None = Field(
        default=None,
        description="Password for HTC_DATABASE_URL, where that has none: the URL may then be shown to all.",
    )
    api_key: SecretStr | None = Field(
        default=None, description="Access key that `htc smoke` sends to the service it asks."
    )
    embedded_database: bool = Field(
        default=True,
        description="Whether the embedded PostgreSQL may be used where HTC_DATABASE_URL is unset. The "
        "container says false: a database that is gone with its machine must not take the real one's place.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="Log lines of `htc serve` and `htc worker`: text for people, or JSON with the names that"
        " Cloud Logging reads. The container says json.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written."
    )
    trace_project: str | None = Field(
        default=None,
        description="Google Cloud project whose traces the JSON log lines name; unset: the trace id alone.",
    )

    max_body_mb: float = Field(
        default=16.0,
        gt=0.0,
        le=1000.0,
        description="Largest body of a request, MB. A thousand structures take some 5 MB.",
    )
    request_timeout_s: float = Field(
        default=60.0,
        gt=0.0,
        le=3600.0,
        description="Within how many seconds an answer has to begin, s. Long work belongs into jobs.",
    )
    stream_silence_s: float = Field(
        default=120.0,
        ge=30.0,
        le=3600.0,
        description="After how many seconds in which it brings nothing a streamed answer is cut, s. One that "
        "goes on may take as long as it likes.",
    )
    key_requests_per_minute: int = Field(
        default=6000,
        ge=1,
        description="Rate limit of an access key that has none of its own, requests a minute.",
    )
    address_requests_per_minute: int = Field(
        default=600,
        ge=1,
        description="Rate limit of an address that sends no (valid) key, requests a minute. A service that "
        "is open on its own machine has no limits.",
    )

    @field_validator("home", "data", "model", "sql_proxy_log")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError:
                # A star would believe whatever address a client writes down.
                raise ValueError(f"{part!r} is neither an address nor a network such as 10.0.0.0/8") from None
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            if part != "*" and not re.fullmatch(r"https?://[^/?#@\s]+", part):
                raise ValueError(f"{part!r} is not an origin such as https://lab.example.org")
        return value

    # Not database_url: a secret that is missing where HTC is deployed arrives as an empty variable, and the
    # embedded database, gone with its container, must not take the place of the one that was meant.
    @field_validator(
        "evidence_licence",
        "api_key",
        "materials_project_api_key",
        "optimade_provider",
        "data",
        "model",
        "sql_proxy_log",
        "trace_project",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic calls with these names
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, toml


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a variable or a line of the file has an unusable value, or HTC_CONFIG names no file.
    """
    if os.environ.get("HTC_CONFIG") and not config_file().is_file():
        raise SettingsError(
            "there is no such settings file",
            where=f"HTC_CONFIG={config_file()}",
            hint="unset HTC_CONFIG to use config.toml in HTC_HOME, if there is one",
        )
    known = {f"HTC_{field.upper()}" for field in Settings.model_fields} | {"HTC_CONFIG"}
    for name in sorted(os.environ):
        if name.startswith("HTC_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1)
            raise SettingsError(
                "no setting has this name",
                where=name,
                hint=f"did you mean {near[0]}?" if near else "`htc settings` lists them all",
            )
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise SettingsError(
            f"{name} is not usable: {first['msg']}",
            where=f"HTC_{name.upper()} or {config_file()}",
            hint="see `htc settings` for what each setting means",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"not valid TOML: {error}", where=str(config_file())) from error
    except OSError as error:
        raise SettingsError(
            f"the settings file cannot be read: {error.strerror}", where=str(config_file())
        ) from error
