"""Formulas: what is accepted means what was written, and what is not is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import FormulaError
from htc.materials.formulas import ELEMENTS, MAX_LENGTH, parse_formula


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("MgB2", {"Mg": 1, "B": 2}),
        ("MgB₂", {"Mg": 1, "B": 2}),
        (" Nb3 Sn ", {"Nb": 3, "Sn": 1}),
        ("La1.85Sr0.15CuO4", {"La": 1.85, "Sr": 0.15, "Cu": 1, "O": 4}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("K4[Fe(CN)6]", {"K": 4, "Fe": 1, "C": 6, "N": 6}),
        ("CuSO4·5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("Ba.6K.4BiO3", {"Ba": 0.6, "K": 0.4, "Bi": 1, "O": 3}),
        ("TiN", {"Ti": 1, "N": 1}),
        ("CoSi", {"Co": 1, "Si": 1}),
        ("He", {"He": 1}),
    ],
)
def test_a_formula_means_what_it_says(text: str, amounts: dict[str, float]) -> None:
    assert parse_formula(text).get_el_amt_dict() == pytest.approx(amounts)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Mg2B?", "'?' is not an element"),
        ("Nb3Xx", "'Xx' is not an element"),
        ("", "empty"),
        ("   ", "empty"),
        ("(Nb3Sn", "'(' is never closed"),
        ("Nb3Sn)", "')' closes nothing"),
        ("()", "empty parentheses"),
        ("Mg0B2", "amount of Mg is zero"),
        ("Mg-2", "amounts are positive numbers"),
        ("YBa2Cu3O7-x", "'x' stands for an unknown amount"),
        ("La2-xSrxCuO4", "'x' stands for an unknown amount"),
        ("YBa2Cu3O7-δ", "'δ' stands for an unknown amount"),
        ("Cu2+", "charge"),
        ("Cu²⁺", "superscript"),
        ("SO4^2-", "charge"),
        ("MgB_2", "typesetting"),
        ("D2O", "isotope of hydrogen"),
        ("2H-NbSe2", "begins with the number 2"),
        ("Og", "made atom by atom"),
        ("niobium", "is a name, not a formula"),
        ("Tin", "is a name, not a formula"),
        ("Ba0,6K0.4BiO3", "not a decimal point"),
        ("Mg" + "9" * 60, "out of range"),
        ("A" * (MAX_LENGTH + 1), "too many for a formula"),
        ("(" * 20 + "Mg" + ")" * 20, "nested"),
        ("Mg\x00B", "is not an element"),
        ("·MgB2", "nothing beside it"),
    ],
)
def test_what_is_wrong_is_named(text: str, what: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert what in caught.value.what
    assert caught.value.where


def test_the_message_reads_as_a_sentence() -> None:
    with pytest.raises(FormulaError, match=r"^Mg2B\?: '\?' is not an element$"):
        parse_formula("Mg2B?")


@pytest.mark.parametrize(
    ("text", "symbol"), [("mgb2", "Mg"), ("Nv3Sn", "Ni"), ("niobium", "Nb"), ("Nb3Xn", "Xe"), ("nb", "Nb")]
)
def test_the_nearest_symbol_is_suggested(text: str, symbol: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert symbol in (caught.value.hint or "")


def test_only_text_is_a_formula() -> None:
    with pytest.raises(FormulaError, match="not int"):
        parse_formula(12)  # type: ignore[arg-type]


@given(
    st.dictionaries(
        st.sampled_from(ELEMENTS[:94]),
        st.integers(1, 9999).map(lambda n: n / 100),
        min_size=1,
        max_size=6,
    )
)
def test_written_and_read_again(amounts: dict[str, float]) -> None:
    text = "".join(f"{symbol}{n:g}" for symbol, n in amounts.items())
    assert parse_formula(text).get_el_amt_dict() == pytest.approx(amounts)


@given(st.text(max_size=60))
def test_any_text_gives_a_composition_or_a_formula_error(text: str) -> None:
    try:
        composition = parse_formula(text)
    except FormulaError as error:
        message = str(error)
    else:
        message = ""
        assert composition.num_atoms > 0
    assert "\n" not in message
