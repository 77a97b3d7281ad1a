"""Settings, models, optional packages: what this installation can do."""

from __future__ import annotations

import platform
import stat
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from htc.errors import HTCError
from htc.service.tracing import is_wanted
from htc.settings import Settings, config_file
from htc.store.doctor.check import Check
from htc.version import __version__

if TYPE_CHECKING:
    from htc.models.coupling import Tier
    from htc.store.doctor.finding import Finding

__all__ = ["check_extras", "check_models", "check_settings"]

_FILE = Check(
    "settings.file", "the settings file is not read, or others can read its secrets", "looked at it"
)
_GIVEN = Check("settings.given", "another setting than was meant is in effect", "compared with the defaults")
_LOADED = Check("model.weights", "weights are missing or damaged", "loaded them and compared their SHA-256")
_ANSWERS = Check("model.answers", "the model does not predict", "predicted materials of the library")
_TRACES = Check("extras.otel", "traces are asked for and not sent", "looked for the packages")

_KNOWN: Final = ("MgB2", "Nb3Sn")
_SLOW_S: Final = 5.0

_EXTRAS: Final = {
    "mlip": (("torch", "sevenn", "phonopy", "ase"), "the tier `best` and `htc stability`"),
    "train": (("lightgbm", "scikit-learn", "torch"), "`htc model train`"),
    "otel": (("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"), "traces of requests"),
    "dask": (("distributed", "dask-jobqueue"), "campaigns on a cluster"),
}


def check_settings(settings: Settings) -> list[Finding]:
    """The settings file, and which settings differ from their defaults. Secrets are never shown."""
    file = config_file()
    if not file.exists():
        findings = [_FILE.ok(f"there is none at {file}: environment and defaults count", file=str(file))]
    else:
        mode = stat.S_IMODE(file.stat().st_mode)
        holds_secrets = any(name in file.read_text("utf-8", "replace") for name in _secret_names())
        if mode & (stat.S_IRGRP | stat.S_IROTH) and holds_secrets:
            findings = [
                _FILE.warning(
                    f"{file} holds secrets and others can read it (mode {mode:04o})",
                    f"`chmod 600 {file}`",
                    file=str(file),
                )
            ]
        else:
            findings = [_FILE.ok(f"{file} is read (mode {mode:04o})", file=str(file))]
    given = {
        f"HTC_{name.upper()}": "(set)" if isinstance(value, SecretStr) else str(value)
        for name, field in Settings.model_fields.items()
        if (value := getattr(settings, name)) != field.default
    }
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    return [
        *findings,
        _GIVEN.ok(f"htc {__version__}, Python {platform.python_version()}; {words}", given=given),
    ]


def _secret_names() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def check_models(settings: Settings) -> list[Finding]:
    """Load each tier that can be loaded here, and predict with the one of the settings."""
    from htc.models import load_model
    from htc.models.weights_io import TIERS

    findings: list[Finding] = []
    for tier in TIERS:
        try:
            model = load_model(settings.model, tier)
        except HTCError as error:
            is_needed = tier == settings.tier
            tell = _LOADED.failure if is_needed else _LOADED.warning
            findings.append(tell(f"{tier}: {error}", error.hint or "reinstall HTC", tier=tier))
        else:
            findings.append(_LOADED.ok(f"{tier}: {model.model_id}", tier=tier, model_id=model.model_id))
        if settings.model is not None and (settings.model / "card.json").exists():
            break  # one model, not a family of tiers
    return [*findings, _answers(settings, settings.tier)]


def _answers(settings: Settings, tier: Tier) -> Finding:
    from htc.materials.formulas import parse_formula
    from htc.materials.inputs import InputItem
    from htc.models import load_model
    from htc.prediction import Failure, Predictor
    from htc.prediction.sources import known_sources

    began = time.perf_counter()
    try:
        items = [InputItem(name, "formula", parse_formula(name)) for name in _KNOWN]
        found = list(
            Predictor(load_model(settings.model, tier), known_sources(settings)).predict(
                items, mu_star=settings.mu_star
            )
        )
    except HTCError as error:
        return _ANSWERS.failure(str(error), error.hint or "install what is missing")
    seconds = time.perf_counter() - began
    said = []
    for one in found:
        if isinstance(one, Failure):
            return _ANSWERS.failure(str(one.error), one.error.hint or "reinstall HTC")
        tc, low, high = one.tc_predicted, one.tc_lower_95ci, one.tc_upper_95ci
        if tc is None or low is None or high is None or not 0 <= low <= tc <= high:
            return _ANSWERS.failure(
                f"{one.composition}: Tc {tc} K, interval {low} to {high} K",
                "reinstall HTC; with HTC_MODEL set, that model is not fit for use",
            )
        said.append(f"{one.reduced_formula} {tc:.1f} K ({low:.1f} to {high:.1f})")
    result = f"{tier}: {', '.join(said)} in {seconds:.1f} s"
    if seconds > _SLOW_S * len(found):
        return _ANSWERS.warning(
            result, "the machine is busy, or has too few processors for this tier", seconds=seconds
        )
    return _ANSWERS.ok(result, seconds=round(seconds, 3))


def check_extras(settings: Settings) -> list[Finding]:
    """What is installed beyond the ordinary, and what is asked for and is not."""
    findings: list[Finding] = []
    for extra, (packages, what_for) in _EXTRAS.items():
        check = Check(f"extras.{extra}", f"{what_for} cannot work", "looked for the packages")
        found = {name: at for name in packages if (at := _version(name)) is not None}
        missing = [name for name in packages if name not in found]
        install = f"for {what_for}: `pip install 'htc[{extra}]'`"
        if not missing:
            findings.append(check.ok(", ".join(f"{n} {v}" for n, v in found.items()), packages=found))
        elif extra == "mlip" and settings.tier == "best":
            findings.append(check.failure(f"HTC_TIER=best, and {', '.join(missing)} are missing", install))
        elif extra == "otel" and is_wanted():
            findings.append(
                _TRACES.failure(f"traces are asked for, and {', '.join(missing)} are missing", install)
            )
        elif found:
            findings.append(check.skipped(f"in part: {', '.join(missing)} missing; {install}"))
        else:
            findings.append(check.skipped(f"not installed; {install}"))
    return findings


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
