"""Chemical formulas: from what a person types to a composition, or to a sentence saying what is wrong."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from htc.errors import FormulaError

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition

__all__ = ["ELEMENTS", "MAX_AMOUNT", "MAX_LENGTH", "MIN_AMOUNT", "formula_amounts", "parse_formula"]

_PERIODIC_TABLE: Final = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
    Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""
ELEMENTS: Final[tuple[str, ...]] = tuple(_PERIODIC_TABLE.split())
"""Symbols of the elements; the atomic number of ``ELEMENTS[i]`` is ``i + 1``."""

MAX_LENGTH: Final = 200
MAX_AMOUNT: Final = 10_000.0
MIN_AMOUNT: Final = 1e-6
MAX_DEPTH: Final = 8

_SYMBOLS: Final = frozenset(ELEMENTS)
_NO_BULK: Final = frozenset(ELEMENTS[99:])
"""Fermium and beyond: made atom by atom, so there is no crystal and no tabulated property to start from."""
_ISOTOPES: Final = {"D": "deuterium", "T": "tritium"}
_UNKNOWN_AMOUNT: Final = frozenset("xyzδ")
_DOTS: Final = "·∙•⋅*"
_OPEN: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSE: Final = frozenset(_OPEN.values())
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_WORD: Final = re.compile(r"[A-Z][a-z]?")

# Names people type instead of symbols; only to suggest, never to substitute.
_NAMES: Final = {
    "hydrogen": "H", "lithium": "Li", "beryllium": "Be", "boron": "B", "carbon": "C", "nitrogen": "N",
    "oxygen": "O", "sodium": "Na", "magnesium": "Mg", "aluminium": "Al", "aluminum": "Al", "silicon": "Si",
    "sulfur": "S", "sulphur": "S", "potassium": "K", "calcium": "Ca", "titanium": "Ti", "vanadium": "V",
    "chromium": "Cr", "manganese": "Mn", "iron": "Fe", "cobalt": "Co", "nickel": "Ni", "copper": "Cu",
    "zinc": "Zn", "gallium": "Ga", "yttrium": "Y", "zirconium": "Zr", "niobium": "Nb", "molybdenum": "Mo",
    "palladium": "Pd", "silver": "Ag", "cadmium": "Cd", "indium": "In", "tin": "Sn", "lanthanum": "La",
    "hafnium": "Hf", "tantalum": "Ta", "tungsten": "W", "rhenium": "Re", "osmium": "Os", "iridium": "Ir",
    "platinum": "Pt", "gold": "Au", "mercury": "Hg", "thallium": "Tl", "lead": "Pb", "bismuth": "Bi",
    "thorium": "Th", "uranium": "U",
}  # fmt: skip


def parse_formula(text: str) -> Composition:
    """Composition of a chemical formula.

    Accepted: element symbols with integer or decimal amounts (``La1.85Sr0.15CuO4``), nested brackets of
    the three kinds, spaces, Unicode subscripts (``MgB₂``), and parts joined by a raised dot, each with an
    optional leading count (``CuSO4·5H2O``). An ASCII period between digits is always a decimal point.
    Amounts are per formula as written; ``.reduced_formula`` is pymatgen's.

    Refused, because the material meant is not certain: charges, isotope labels, unknown amounts (``x``,
    ``δ``), arithmetic, polymorph prefixes, deuterium and tritium (predictions hold for natural isotopes).

    Raises:
        FormulaError: ``where`` is the text, ``what`` names the offending part.
    """
    from pymatgen.core.composition import Composition

    amounts = formula_amounts(text)
    settle_electronegativity(amounts)
    return Composition(amounts)


def formula_amounts(text: str) -> dict[str, float]:
    """Atoms per formula by element symbol: :func:`parse_formula` without pymatgen.

    Raises:
        FormulaError: as of :func:`parse_formula`.
    """
    return _Parser(text).parse()


def settle_electronegativity(symbols: Iterable[str]) -> None:
    """Let pymatgen find out, quietly and once, that He, Ne and Ar have no electronegativity.

    It would otherwise warn wherever a formula with one of them is first put in order.
    """
    from pymatgen.core.periodic_table import Element

    for symbol in {"He", "Ne", "Ar"}.intersection(symbols):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _ = Element(symbol).X


def _shown(text: str, limit: int = 60) -> str:
    """``text`` made safe to print in one line."""
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: limit + 1])
    return clean if len(text) <= limit else f"{clean[:limit]}..."


def suggest_symbols(word: str) -> list[str]:
    """Up to three element symbols near ``word``, best first."""
    name = _NAMES.get(word.lower())
    if name:
        return [name]
    name_like = difflib.get_close_matches(word.lower(), _NAMES, n=1, cutoff=0.8) if len(word) > 3 else []
    if name_like:
        return [_NAMES[name_like[0]]]
    fixed_case = word[:1].upper() + word[1:2].lower()
    ranked = [s for s in (fixed_case, word[:1].upper()) if s in _SYMBOLS]
    same_letters = [s for s in ELEMENTS[:98] if len(s) == 2 and s[0] == fixed_case[:1]]
    ranked += difflib.get_close_matches(fixed_case, same_letters, n=2, cutoff=0.5)
    return list(dict.fromkeys(ranked))[:3]


class _Parser:
    """Recursive descent over one formula; every error names its place."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise FormulaError(
                f"a formula is text, not {type(text).__name__}", hint='write it as text, e.g. "MgB2"'
            )
        self.where = _shown(text.strip()) or "formula"
        if len(text) > MAX_LENGTH:
            raise self.error(
                f"{len(text)} characters are too many for a formula", hint=f"at most {MAX_LENGTH}"
            )
        for c in text:
            # Superscripts would silently turn into amounts under NFKC: Cu²⁺ into Cu2.
            if unicodedata.normalize("NFKD", c) != c and "SUPERSCRIPT" in unicodedata.name(c, ""):
                raise self.error(
                    f"'{c}' is a superscript: charges and isotope labels are not part of a formula",
                    hint="give the neutral formula of the solid, e.g. MgB2",
                )
        self.text = unicodedata.normalize("NFKC", text).strip()
        if not self.text:
            raise self.error("the formula is empty", hint="write one such as MgB2 or Nb3Sn")
        self.at = 0

    def error(self, what: str, *, hint: str | None = None) -> FormulaError:
        return FormulaError(what, where=self.where, hint=hint)

    def parse(self) -> dict[str, float]:
        if self.text[0].isdigit():
            raise self.error(
                f"the formula begins with the number {_NUMBER.match(self.text)[0]}",  # type: ignore[index]  # a digit matches
                hint="leave out polymorph prefixes (2H-), isotope labels and counts of formula units",
            )
        total = self.sequence(closing=None, depth=0)
        while self.at < len(self.text):
            self.at += 1  # the dot that ended the part before
            self.skip_blanks()
            count = self.amount("the part after the dot")
            part = self.sequence(closing=None, depth=0)
            for symbol, n in part.items():
                total[symbol] = total.get(symbol, 0.0) + n * count
        for symbol, n in total.items():
            if not math.isfinite(n) or n > MAX_AMOUNT:
                raise self.error(f"the amount {n:g} of {symbol} is too large", hint=f"at most {MAX_AMOUNT:g}")
        return total

    def skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def sequence(self, closing: str | None, depth: int) -> dict[str, float]:
        """Elements and groups up to ``closing`` (left unread), a dot outside brackets, or the end."""
        found: dict[str, float] = {}
        self.skip_blanks()
        while self.at < len(self.text):
            c = self.text[self.at]
            if c == closing or (closing is None and c in _DOTS):
                break
            if c in _OPEN:
                inner = self.group(c, depth + 1)
            elif c in _CLOSE:
                raise self.error(f"'{c}' closes nothing", hint="check the parentheses")
            else:
                inner = {self.symbol(): 1.0}
            n = self.amount(next(iter(inner)) if c not in _OPEN else "the group")
            for symbol, m in inner.items():
                found[symbol] = found.get(symbol, 0.0) + n * m
            self.skip_blanks()
        if not found:
            what = "empty parentheses" if closing else "a dot with nothing beside it"
            raise self.error(what)
        return found

    def group(self, opening: str, depth: int) -> dict[str, float]:
        if depth > MAX_DEPTH:
            raise self.error(f"parentheses nested more than {MAX_DEPTH} deep")
        self.at += 1
        inner = self.sequence(_OPEN[opening], depth)
        if self.at >= len(self.text):
            raise self.error(f"'{opening}' is never closed", hint="check the parentheses")
        self.at += 1
        return inner

    def symbol(self) -> str:
        rest = self.text[self.at :]
        match = _WORD.match(rest)
        if match is None:
            raise self.not_a_symbol(rest)
        word = match[0]
        # 'Hn' is no element, but H followed by a stray letter is no better: report the pair.
        if word not in _SYMBOLS:
            if word in _ISOTOPES:
                raise self.error(
                    f"'{word}' is {_ISOTOPES[word]}, an isotope of hydrogen",
                    hint="write H: predictions hold for natural isotopes",
                )
            if word[0] in _SYMBOLS and word[1:] in _UNKNOWN_AMOUNT:
                raise self.unknown_amount(word[1:])
            tail = re.match(r"[A-Za-z]+", rest)
            raise self.unknown(tail[0] if tail and tail[0][1:].islower() else word)
        if word in _NO_BULK:
            raise self.error(f"'{word}' has only been made atom by atom: there are no data for a solid of it")
        self.at += len(word)
        return word

    def unknown(self, word: str) -> FormulaError:
        # Only now: TiN would be a name too.
        if self.text.lower() in _NAMES:
            symbol = _NAMES[self.text.lower()]
            return self.error(f"'{self.text}' is a name, not a formula", hint=f"write {symbol}")
        near = suggest_symbols(word)
        return self.error(
            f"'{_shown(word, 20)}' is not an element",
            hint=f"did you mean {' or '.join(near)}?" if near else None,
        )

    def unknown_amount(self, letter: str) -> FormulaError:
        return self.error(
            f"'{letter}' stands for an unknown amount", hint="give it as a number, e.g. La1.85Sr0.15CuO4"
        )

    def not_a_symbol(self, rest: str) -> FormulaError:
        """The right complaint about what stands where an element should."""
        c = rest[0]
        if c in "+-−–":
            after = rest[1:2]
            if after in _UNKNOWN_AMOUNT and after:
                return self.unknown_amount(after)
            if c == "+" or not after:
                return self.error(
                    "a charge is not part of a formula", hint="give the neutral formula of the solid"
                )
            return self.error(
                f"'{c}' is not allowed in a formula: amounts are positive numbers",
                hint="write the amount as one number, e.g. YBa2Cu3O6.9",
            )
        if c == "^":
            return self.error(
                "a charge is not part of a formula", hint="give the neutral formula of the solid"
            )
        if c in "_$<":
            return self.error(f"'{c}' is typesetting, not chemistry", hint="write MgB2, or MgB₂")
        if c in _UNKNOWN_AMOUNT:
            return self.unknown_amount(c)
        word = re.match(r"[a-z]+", rest)
        if word:
            return self.unknown(word[0])
        if c.isdigit() or c == ".":
            return self.error(f"'{c}' stands where an element should")
        return self.error(f"'{_shown(c)}' is not an element")

    def amount(self, of: str) -> float:
        """The number at this place, or 1 where there is none."""
        self.skip_blanks()
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            return 1.0
        self.at = match.end()
        if self.text[self.at : self.at + 1] in {"+", "-"} and self.at + 1 == len(self.text):
            raise self.error(
                "a charge is not part of a formula", hint="give the neutral formula of the solid"
            )
        if self.text[self.at : self.at + 1] == ",":
            raise self.error("',' is not a decimal point", hint="write 0.15, not 0,15")
        value = float(match[0])
        if value == 0.0:
            raise self.error(
                f"the amount of {of} is zero", hint="leave it out, or give the amount that is there"
            )
        if not MIN_AMOUNT <= value <= MAX_AMOUNT:
            raise self.error(
                f"the amount {match[0][:20]} of {of} is out of range",
                hint=f"between {MIN_AMOUNT:g} and {MAX_AMOUNT:g}",
            )
        return value
