"""The consortium's own validator and the clients people use, over HTTP, offline."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from htc.materials.sources import OptimadeSource


@pytest.mark.parametrize("version", ["", "/v1"])
def test_the_validator_is_content(served: Any, version: str) -> None:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of the validator, about itself
        from optimade.validator import ImplementationValidator

        validator = ImplementationValidator(base_url=f"{served.url}/optimade{version}")
        validator.validate_implementation()
    assert validator.results.failure_messages == []
    assert validator.results.optional_failure_messages == []
    assert validator.results.internal_failure_messages == []
    assert validator.valid
    assert validator.results.success_count > 20


def test_pymatgens_client_reads_the_crystals(served: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.ext.optimade import OptimadeRester

        rester = OptimadeRester(f"{served.url}/optimade/")
        (found,) = rester.get_structures(elements=["Nb"]).values()
        (told,) = rester.get_snls_with_filter(
            'chemical_formula_reduced="NbSn3" OR chemical_formula_reduced="Nb3Sn"',
            additional_response_fields={"_htc_tc_kelvin"},
        ).values()
    assert {s.composition.reduced_formula for s in found.values()} == {"Nb3Sn", "NbN"}
    (note,) = told.values()
    assert note.data["_optimade"]["_htc_tc_kelvin"] == 17.25


def test_every_crystal_comes_back_as_it_was_stored(served: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.ext.optimade import OptimadeRester

        (found,) = OptimadeRester(f"{served.url}/optimade/").get_structures(nelements=[1, 9]).values()
    assert len(found) == len(served.stored)
    documents = served.get("/structures", response_fields="_htc_prediction_id").json()["data"]
    from htc.store import get

    for document in documents:
        stored = get(served.host.database, document["attributes"]["_htc_prediction_id"]).prediction.structure
        told, original = found[document["id"]], Structure.from_dict(stored)
        np.testing.assert_allclose(told.lattice.matrix, original.lattice.matrix, atol=1e-10)
        np.testing.assert_allclose(told.cart_coords, original.cart_coords, atol=1e-8)
        assert [s.symbol for s in told.species] == [s.symbol for s in original.species]


def test_the_consortiums_adapter_reads_a_structure(served: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from optimade.adapters import Structure as Adapter

        entry = served.get("/structures", filter='chemical_formula_reduced="B2Mg"').json()["data"][0]
        told = Adapter(entry)
        assert told.as_pymatgen.composition.reduced_formula == "MgB2"
        assert told.as_ase.get_chemical_formula() == "B2Mg"


def test_our_own_look_up_finds_crystals_here(served: Any) -> None:
    found = OptimadeSource(f"{served.url}/optimade").find("Nb3Sn")
    assert [item.structure.composition.reduced_formula for item in found] == ["Nb3Sn"]
    system = OptimadeSource(f"{served.url}/optimade/v1").find_system(["B", "Mg"])
    assert [item.structure.composition.reduced_formula for item in system] == ["MgB2"]
