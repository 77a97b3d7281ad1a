"""The metadata of a pack: what each file is, what made it, from what and for whom, as an RO-Crate 1.2."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from typing import Any, Final

from htc.evidence.record import FORMAT, as_json
from htc.evidence.worksheet import Worksheet

__all__ = ["CRATE_FILE", "crate_metadata", "licence_in"]

CRATE_FILE: Final = "ro-crate-metadata.json"

_TYPES: Final = {
    ".json": "application/json",
    ".md": "text/markdown",
    ".html": "text/html",
    ".csv": "text/csv",
    ".dat": "text/plain",
    ".txt": "text/plain",
    ".cif": "chemical/x-cif",
    ".svg": "image/svg+xml",
}

_MEASURED: Final = (
    ("tc_predicted", "critical temperature", "K"),
    ("tc_lower_95ci", "lower end of the 95 % interval of the critical temperature", "K"),
    ("tc_upper_95ci", "upper end of the 95 % interval of the critical temperature", "K"),
    ("lambda_ep", "electron-phonon coupling constant", "1"),
    ("omega_log", "logarithmic average phonon frequency", "K"),
    ("omega_2", "second-moment phonon frequency", "K"),
    ("mu_star", "Coulomb pseudopotential", "1"),
    ("pressure_required_gpa", "pressure", "GPa"),
)

_NOBODY: Final = "htc"
"""created_by of those who set no name."""

_NOT_STATED: Final = "not stated"

Record = Mapping[str, Any]


def crate_metadata(
    record: Record,
    worksheet: Worksheet,
    files: Mapping[str, bytes],
    described: Mapping[str, str],
    environment: Mapping[str, Any],
    licence: str | None,
) -> bytes:
    """``ro-crate-metadata.json`` of a pack.

    Args:
        record: fields of ``prediction.json``.
        worksheet: its worksheet.
        files: contents by path.
        described: what each file is, by path.
        environment: as of `htc.evidence.environment.environment`.
        licence: SPDX identifier, URL or a sentence; None where nobody set one.
    """
    # Brings requests along, which nothing else needs.
    from rocrate.model.contextentity import (  # type: ignore[import-untyped]  # publishes none
        ContextEntity,
    )
    from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]  # publishes none

    crate = ROCrate(version="1.2")
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"
    root = crate.root_dataset
    entities = {}
    for path in sorted(files):
        entities[path] = crate.add_file(
            io.BytesIO(files[path]),
            path,
            properties={
                "name": described[path],
                "encodingFormat": _TYPES[path[path.rindex(".") :]],
                "contentSize": str(len(files[path])),
                "sha256": hashlib.sha256(files[path]).hexdigest(),
            },
        )

    def add(name_: str, kind: str, /, **properties: Any) -> ContextEntity:
        return crate.add(ContextEntity(crate, name_, properties={"@type": kind, **properties}))

    software = add(
        f"#htc-{environment['htc']}",
        "SoftwareApplication",
        name="HTC",
        softwareVersion=environment["htc"],
        license="Apache-2.0",
        softwareRequirements=[
            f"{name} {version}" for name, version in sorted(environment["packages"].items()) if version
        ],
        operatingSystem=f"{environment['system']} {environment['machine']}",
        description="Predicts, stores and ranks the critical temperatures of conventional superconductors",
    )
    instruments = [software]
    if record.get("model_id"):
        model = add(
            f"#model-{_slug(str(record['model_id']))}",
            "SoftwareApplication",
            name=str(record["model_id"]),
            description="Model of the electron-phonon coupling; its identity ends in the hash of its weights",
        )
        if "model/card.json" in entities:
            model["subjectOf"] = entities["model/card.json"]
        instruments.append(model)
    material = add(
        "#material",
        "ChemicalSubstance",
        name=str(record["reduced_formula"]),
        description=f"{record['composition']}, {record['family']}",
    )
    measured = [
        add(
            f"#{name}",
            "PropertyValue",
            propertyID=name,
            name=words,
            value=record[name],
            unitText=unit,
        )
        for name, words, unit in _MEASURED
        if record.get(name) is not None
    ]
    inputs = [entities[p] for p in ("input/structure.json", "input/structure.cif") if p in entities]
    if record.get("spectrum_origin") != "surrogate":
        inputs += [entities[p] for p in ("spectrum/alpha2f.json", "spectrum/alpha2f.dat") if p in entities]
    maker = _maker(record.get("created_by"))
    action = {
        "name": f"Prediction of the critical temperature of {record['reduced_formula']}",
        "instrument": instruments,
        "object": inputs or [material],
        "result": [entities["prediction.json"]],
    }
    root["name"] = f"Evidence for the critical temperature of {record['reduced_formula']}"
    root["description"] = (
        f"Everything behind one predicted critical temperature of {record['reduced_formula']}: input, "
        "record, worksheet, model card and environment."
    )
    root["identifier"] = str(record["id"])
    root["about"] = material
    root["variableMeasured"] = measured
    root["mainEntity"] = entities["worksheet.html"]
    root["license"] = _licence(add, licence)
    if maker is not None:
        person = add(maker[0], maker[1], name=maker[2])
        root["author"] = person
        action["agent"] = person
    # The library fills in the moment of writing; a pack made again tomorrow must not differ.
    if record.get("created_at"):
        root["datePublished"] = str(record["created_at"])
        action["endTime"] = str(record["created_at"])
    else:
        del root["datePublished"]
    root["mentions"] = add("#prediction", "CreateAction", **action)
    dois = [section.doi for section in worksheet.sections if section.doi]
    root["citation"] = [
        add(f"https://doi.org/{doi}", "ScholarlyArticle", name=f"doi:{doi}", identifier=doi)
        for doi in dict.fromkeys(dois)
    ]
    root["version"] = FORMAT
    return as_json(crate.metadata.generate())


def _maker(created_by: object) -> tuple[str, str, str] | None:
    """Id, type and name of who asked for the prediction; an unnamed one is the installation."""
    if not isinstance(created_by, str) or not created_by.strip():
        return None
    if created_by == _NOBODY:
        return "#created-by", "Organization", "an installation of HTC whose people set no name"
    return "#created-by", "Person", created_by


def _licence(add: Any, licence: str | None) -> Any:
    if licence is None:
        return add(
            "#licence",
            "CreativeWork",
            name=_NOT_STATED,
            description="Nobody has said under which licence this pack may be used; ask who gave it to you.",
        )
    if re.match(r"^https?://\S+$", licence):
        return add(licence, "CreativeWork", name=licence)
    if re.match(r"^[A-Za-z0-9.+-]+$", licence):
        return add(f"https://spdx.org/licenses/{licence}", "CreativeWork", name=licence)
    return add("#licence", "CreativeWork", name="licence", description=licence)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "-", text)


def licence_in(metadata: Any) -> str | None:
    """The licence that the metadata of a pack states; None where it says that nobody has said."""
    try:
        entities = {entity["@id"]: entity for entity in metadata["@graph"]}
        entity = entities[entities["./"]["license"]["@id"]]
        if entity["@id"] != "#licence":
            return str(entity["name"])
        return None if entity["name"] == _NOT_STATED else str(entity["description"])
    except (KeyError, TypeError):
        return None
