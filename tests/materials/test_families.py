"""Families: who gets no Tc and why, who gets one with a caution, and that few are refused wrongly."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from htc.errors import FormulaError
from htc.materials import library
from htc.materials.families import FAMILIES, Family, recognise
from htc.materials.formulas import parse_formula


def family(formula: str, structure: Structure | None = None, pressure_gpa: float = 0.0) -> Family:
    return recognise(parse_formula(formula), structure, pressure_gpa=pressure_gpa)


OUTSIDE = {
    "cuprate": "YBa2Cu3O7 YBa2Cu3O6.9 La1.85Sr0.15CuO4 HgBa2Ca2Cu3O8 Bi2Sr2CaCu2O8 Tl2Ba2CuO6 Sr0.9La0.1CuO2"
    " Nd1.85Ce0.15CuO4 RuSr2GdCu2O8 Ca1.8Na0.2CuO2Cl2 Sr14Cu24O41 YBa2Cu4O8",
    "iron_based": "BaFe2As2 Ba0.6K0.4Fe2As2 LaFeAsO LaFeAsO0.9F0.1 LiFeAs FeSe FeTe0.5Se0.5 K0.8Fe1.6Se2"
    " Sr4V2O6Fe2As2 Ca10Pt3As8Fe10As10 CaKFe4As4 LaFePO ThFeAsN",
    "nickelate": "LaNiO2 Nd0.8Sr0.2NiO2 La3Ni2O7 LaNiO3",
    "heavy_fermion": "CeCu2Si2 CeCoIn5 CeRhIn5 UPt3 UBe13 U0.97Th0.03Be13 URu2Si2 UTe2 PuCoGa5 YbRh2Si2"
    " PrOs4Sb12 CePt3Si CeIn3 NpPd5Al2",
    "ruthenate": "Sr2RuO4",
    "magnetic": "Fe Co Ni Gd Cr Mn FeCo Fe3C ZrZn2",
    "insulator": "NaCl MgO SiO2 CuO Cu2O NiO LaMnO3 GaAs AlN ZnS CaCO3 LiH CaF2 C Si Se B",
    "molecular": "H2O CH4 CO2 N2 H I2",
    "organic": "K3C22H14",
}
# Kept out of the refusals although they look like one of them.
INSIDE = {
    "elemental": "Cu Al Nb Li V Pd U La Sn Bi",
    "A15": "Nb3Sn V3Si Nb3Ge",
    "carbide": "NbC CaC6 MgCNi3",
    "nitride": "NbN TiN MoN LaN ScN",
    "boride": "MgB2 FeB Mg0.8B2 ZrB12",
    "borocarbide": "YNi2B2C",
    "hydride": "H3S LaH10 ThH10 CeH9 PdH",
    "bismuthate": "BaPb0.75Bi0.25O3 Ba0.6K0.4BiO3 BaPbO3",
    "oxide": "SrTiO3 NbO NbO2 LiTi2O4 CaCu3Ti4O12 LaNiPO KOs2O6",
    "fulleride": "K3C60 RbCs2C60",
    "chevrel": "PbMo6S8",
    "chalcogenide": "NbSe2 TiSe2 FeSe2 SnTe",
    "pnictide": "LaFe4P12 BaNi2As2 FeP LaRu2P2",
    "silicide": "FeSi CoSi2",
    "intermetallic": "CeRu2 Cu3Au LaIn3 FeAl HfV2",
}


@pytest.mark.parametrize(("name", "formula"), [(n, f) for n, fs in OUTSIDE.items() for f in fs.split()])
def test_materials_outside_the_theory_get_a_reason(name: str, formula: str) -> None:
    found = family(formula)
    assert (found.name, found.applicability, found.applicable) == (name, "outside", False)
    assert found.reason
    assert found.evidence
    assert not found.cautions


@pytest.mark.parametrize(("name", "formula"), [(n, f) for n, fs in INSIDE.items() for f in fs.split()])
def test_materials_within_the_theory_are_not_refused(name: str, formula: str) -> None:
    found = family(formula)
    assert (found.name, found.applicable, found.reason) == (name, True, None)
    assert (found.applicability == "doubtful") == bool(found.cautions)


@pytest.mark.parametrize(
    ("formula", "caution"),
    [
        ("FeB", "magnetic (Fe)"),
        ("Pd", "spin fluctuations"),
        ("SrTiO3", "unless doped"),
        ("LaH10", "only under pressure"),
        ("CeRu2", "4f"),
        ("U6Fe", "5f"),
        ("K3C60", "fullerides"),
        ("MoS2", "insulating"),
        ("Bi", "semimetal"),
    ],
)
def test_doubts_are_said(formula: str, caution: str) -> None:
    assert any(caution in text for text in family(formula).cautions)


@pytest.mark.parametrize("formula", ["Al", "Nb3Sn", "MgB2", "NbC", "YNi2B2C", "MgCNi3", "CaC6", "LaIn3"])
def test_plain_metals_carry_no_caution(formula: str) -> None:
    assert family(formula).applicability == "applicable"


@pytest.mark.parametrize(
    ("formula", "pressure"), [("H3S", 155), ("LaH10", 170), ("Si", 15), ("S", 100), ("Fe", 20), ("H2S", 150)]
)
def test_pressure_makes_metals(formula: str, pressure: float) -> None:
    assert family(formula, pressure_gpa=pressure).applicable


def test_the_structure_decides_between_forms() -> None:
    diamond = library.structures_for("Si")[0].structure
    dense = Structure(Lattice.hexagonal(2.55, 2.37), ["Si"], [[0, 0, 0]])  # simple hexagonal, metallic
    assert not family("Si", diamond).applicable
    assert family("Si", dense).applicable
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.1), ["In", "Sb"], [[0] * 3, [0.5] * 3])
    assert family("InSb", rocksalt).applicable
    assert not family("InSb").applicable


def test_a15_is_a_structure_before_it_is_a_formula() -> None:
    fcc_ordered = Structure(
        Lattice.cubic(4.2), ["Sn", "Nb", "Nb", "Nb"], [[0] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    assert family("Nb3Sn", fcc_ordered).name == "intermetallic"
    for entry in library.library_entries():
        if entry.prototype.startswith("A15"):
            assert family(entry.formula, entry.structure).name == "A15"


def test_names_and_reasons_are_documented() -> None:
    from htc.materials.outside import REASONS

    assert set(REASONS) <= set(FAMILIES)
    assert all(reason[0].islower() or reason.startswith("Sr2RuO4") for reason, _ in REASONS.values())


# -- against the laboratory's data ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    return Path(folder)


@pytest.mark.data
def test_few_computed_metals_are_refused(data: Path) -> None:
    with (data / "epc" / "alexandria.jsonl").open() as stream:
        formulas = [json.loads(line)["formula"] for line in stream]
    refused = sum(not family(formula).applicable for formula in formulas)
    assert refused / len(formulas) < 0.005


@pytest.mark.data
@pytest.mark.parametrize(("name", "least"), [("cuprate", 0.99), ("iron_based", 0.97)])
def test_measured_unconventional_superconductors_are_recognised(data: Path, name: str, least: float) -> None:
    with (data / "experimental" / "superband.csv").open() as stream:
        formulas = [row[1] for row in csv.reader(stream)][1:]
    hits = truths = 0
    for text in formulas:
        try:
            composition = parse_formula(text)
        except FormulaError:
            continue
        share = composition.get_atomic_fraction
        if name == "cuprate":
            truth = share("Cu") >= 0.05 and share("O") >= 0.35
        else:
            ligands = sum(share(x) for x in ("P", "As", "S", "Se", "Te"))
            truth = share("Fe") >= 0.08 and ligands >= 0.15 and share("Sb") < 0.3
        truths += truth
        hits += truth and recognise(composition).name == name
    assert hits / truths > least
