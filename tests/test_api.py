"""What ``import htc`` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import htc
from htc.errors import FormulaError, InputError, StructureError

EXAMPLES = Path(htc.__file__).parent / "examples/structures"


def test_public_names_are_these_and_all_there() -> None:
    assert htc.__all__ == [
        "HTCError",
        "Prediction",
        "Spectrum",
        "__version__",
        "critical_temperature",
        "gap",
        "load_model",
        "predict",
        "predict_from_spectrum",
        "read_spectra",
        "thermodynamics",
    ]
    for name in htc.__all__:
        assert getattr(htc, name) is not None
    assert dir(htc) == sorted(htc.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        htc.nonsense  # noqa: B018  # reading it is the test


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import htc", ("numpy", "scipy", "pymatgen", "sqlalchemy", "typer", "fastapi")),
        ("import htc; htc.read_spectra; htc.critical_temperature", ("pymatgen", "sqlalchemy", "fastapi")),
        (
            "import htc; htc.predict; htc.load_model",
            ("sqlalchemy", "fastapi", "typer", "lightgbm", "sklearn"),
        ),
        ("import htc.cli.app", ("pymatgen", "sqlalchemy", "fastapi", "matplotlib")),
    ],
)
def test_imports_are_light(statement: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys\n{statement}\nprint([m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_predict_takes_one_or_several_formulas() -> None:
    (alone,) = htc.predict("MgB2")
    first, refused = htc.predict(["MgB2", "YBa2Cu3O7"])
    assert alone == first
    assert isinstance(alone, htc.Prediction)
    assert alone.mu_star == 0.13
    assert (refused.applicable, refused.tc_predicted) == (False, None)


def test_predict_takes_structures_in_every_guise() -> None:
    from pymatgen.core import Structure

    path = EXAMPLES / "Nb.cif"
    structure = Structure.from_file(path)
    materials = [structure, str(path), path, structure.as_dict()]
    results = htc.predict(materials, mu_star=0.1)
    assert len({record.input_hash for record in results}) == 1
    assert [record.source for record in results] == ["material 0", str(path), str(path), "material 3"]
    for material in (structure, path, structure.as_dict()):
        (record,) = htc.predict(material, mu_star=0.1)
        assert record.input_hash == results[0].input_hash


def test_predict_takes_ase_atoms() -> None:
    pytest.importorskip("ase", reason="ASE is not installed")
    from ase.build import bulk

    (record,) = htc.predict(bulk("Nb", cubic=True))
    assert record.reduced_formula == "Nb"
    assert record.structure_origin == "given"
    with pytest.raises(StructureError, match="periodic"):
        htc.predict(bulk("Nb").repeat((1, 1, 2)).__class__("Nb2", positions=[[0, 0, 0], [0, 0, 3]]))


def test_predict_takes_a_folder(tmp_path: Path) -> None:
    for name in ("Al.cif", "Nb.cif"):
        (tmp_path / name).write_bytes((EXAMPLES / name).read_bytes())
    assert [record.reduced_formula for record in htc.predict(tmp_path)] == ["Al", "Nb"]


def test_nothing_to_predict_is_nothing() -> None:
    assert htc.predict([]) == []


@pytest.mark.parametrize(
    ("material", "error"),
    [
        ("Mg2B?", FormulaError),
        ("absent.cif", StructureError),
        (42, StructureError),
        ({"a": 1}, StructureError),
    ],
)
def test_what_cannot_be_read_is_raised(material: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        htc.predict([material])


def test_conditions_are_checked_even_for_nothing() -> None:
    with pytest.raises(InputError):
        htc.predict("MgB2", pressure_gpa=-5.0)
    with pytest.raises(InputError):
        htc.predict("MgB2", mu_star=float("nan"))


def test_mu_star_of_the_settings_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from htc.settings import get_settings

    monkeypatch.setenv("HTC_MU_STAR", "0.16")
    get_settings.cache_clear()
    (record,) = htc.predict("MgB2")
    assert record.mu_star == 0.16
