"""A campaign's file: read completely, or refused with the place and what may have been meant."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from htc.discovery.campaign import Campaign, SubstitutionSource, load_campaign, parse_campaign
from htc.discovery.campaign.pools import GROUPS, pool_of
from htc.errors import InputError

EXAMPLES = sorted(Path(str(files("htc"))).glob("examples/campaigns/*.toml"))
GOOD = """
name = "x"
pressures_gpa = [0.0, 10]

[groups]
mine = "4d 5d -radioactive"

[[candidates]]
kind = "substitution"
prototypes = ["A15"]
slots = { Cr = "mine -Hg", Si = ["Al", "Ga"] }

[[candidates]]
kind = "optimade"
url = "https://example.org"
filter = "nelements=3"

[plausibility.size]
max_ratio = 2.0

[[stages]]
kind = "predict"
tier = "fast"

[stages.keep]
min_tc_predicted = 5
best = 10
by = "hull_distance_eV"
"""


def test_what_is_read_is_kept() -> None:
    campaign = parse_campaign(GOOD)
    assert Campaign.model_validate(campaign.as_json()) == campaign
    source = campaign.candidates[0]
    assert isinstance(source, SubstitutionSource)
    assert pool_of(source.slots["Cr"], campaign.groups)[:2] == ("Y", "Zr")
    keep = campaign.stages[0].keep
    assert keep.bounds == {"tc_predicted": (5.0, None)}
    assert (keep.best, keep.wanted) == (10, "min")


def test_pools() -> None:
    assert pool_of(["3d", "-Sc", "Nb", "Al"]) == (
        "Al",
        "Ti",
        "V",
        "Cr",
        "Mn",
        "Fe",
        "Co",
        "Ni",
        "Cu",
        "Zn",
        "Nb",
    )
    assert set(pool_of(["-metals"])) == GROUPS["all"] - GROUPS["metals"]
    with pytest.raises(InputError, match="no element is left"):
        pool_of(["Nb", "-4d"])
    with pytest.raises(InputError, match="made of itself"):
        pool_of(["a"], {"a": ["b"], "b": ["a", "Nb"]})


@pytest.mark.parametrize(
    ("good", "bad", "where", "what", "hint"),
    [
        ("tier", "teir", "line 23: stages[1].teir", "no key 'teir'", "did you mean tier?"),
        ("prototypes", "prototype", "line 10: candidates[1].prototype", "no key", "did you mean prototypes?"),
        ("url =", "urll =", "line 15: candidates[2].urll", "no key", "did you mean url?"),
        (
            "plausibility.size",
            "plausibility.sise",
            "line 18: plausibility.sise",
            "no key",
            "did you mean size?",
        ),
        (
            "min_tc_p",
            "min_tcp",
            "line 26: stages[1].keep.min_tcpredicted",
            "no key",
            "mean min_tc_predicted?",
        ),
        ('"predict"', '"predikt"', "line 21: stages[1]", "no kind 'predikt'", "did you mean predict?"),
        ('kind = "predict"\n', "", "line 21: stages[1]", "'kind' is missing", "its kind"),
        ('"Ga"', '"Gaa"', "line 11: candidates[1].slots.Si", "neither an element nor a group", "mean Ga?"),
        ("mine -Hg", "mien", "line 11: candidates[1].slots.Cr", "neither", "did you mean mine?"),
        ("10]", "0]", "line 3: pressures_gpa", "given twice", ""),
        ("best = 10", "best = 0", "line 27: stages[1].keep.best", "greater than or equal to 1", ""),
        ("filter =", "name =", "line 13: candidates[2].filter", "'filter' is missing", ""),
        ("mine =", "metals =", "line 6: groups.metals", "there is a group", ""),
        ("name =", "name", "campaign.toml", "not valid TOML", ""),
    ],
)
def test_mistakes_are_found(good: str, bad: str, where: str, what: str, hint: str) -> None:
    assert good in GOOD
    with pytest.raises(InputError) as caught:
        parse_campaign(GOOD.replace(good, bad, 1), source="campaign.toml")
    error = caught.value
    assert where in (error.where or "")
    assert what in error.what
    assert hint in (error.hint or "")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_campaign(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_campaign(tmp_path / "binary.toml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_campaigns(path: Path) -> None:
    assert load_campaign(path) == load_campaign(path.stem)
