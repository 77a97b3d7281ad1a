"""Fit the volumes that generated crystals are given, and say how good they are.

    HTC_DATA=... python scripts/volumes.py [--write]

Reads the crystals of the epc folder (fold 3 is kept out and reported on), fits the parameters of
``htc.materials.volumes``, and with ``--write`` renews its volumes.json. Needs the extra [train].
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from htc.materials import volumes
from htc.materials.formulas import ELEMENTS
from htc.settings import get_settings

SOURCES = ("alexandria", "betenet", "jarvis")
NONMETALS = ("H", "B", "C", "N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I")
"""Towards these an element has its second radius."""
FEWEST = 5
"""Crystals an element must be in to be fitted."""
N = 100
OUT = Path(volumes.__file__).with_name("volumes.json")


def crystals(folder: Path) -> list[dict[str, Any]]:
    """Volume an atom and pair sums by elements of every crystal."""
    from pymatgen.core.structure import Structure

    from htc.materials.reading import structure_from_text

    out = []
    for source in SOURCES:
        for line in (folder / "epc" / f"{source}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            structure: Structure = structure_from_text(row["poscar"], "poscar")
            numbers = [int(z) for z in structure.atomic_numbers]
            out.append(
                {
                    "source": source,
                    "fold": row["fold"],
                    "volume": structure.volume / len(structure),
                    "elements": sorted(set(numbers)),
                    "sums": volumes.pair_sums(structure, numbers),
                }
            )
    return out


def tensors(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """All pairs of all crystals, one below the other."""
    pairs = [(i, *pair[:4]) for i, row in enumerate(rows) for pair in row["sums"]]
    crystal, a, b, repulsion, attraction = (np.array(column) for column in zip(*pairs, strict=True))
    return {
        "crystal": torch.tensor(crystal),
        "a": torch.tensor(a),
        "b": torch.tensor(b),
        "repulsion": torch.tensor(repulsion),
        "attraction": torch.tensor(attraction),
        "log_volume": torch.log(torch.tensor([row["volume"] for row in rows], dtype=torch.float64)),
    }


class PairModel(torch.nn.Module):
    """``htc.materials.volumes`` with gradients."""

    def __init__(self, chi: torch.Tensor, radius: torch.Tensor) -> None:
        """Start from the tabulated atomic radii, shape (100,); nan where there is none."""
        super().__init__()
        self.chi, self.known = chi, torch.isfinite(radius)
        self.table = torch.where(self.known, radius, torch.tensor(1.5, dtype=torch.float64))
        self.nonmetal = torch.tensor([int(z > 0 and ELEMENTS[z - 1] in NONMETALS) for z in range(N)])
        double = torch.float64
        self.offset = torch.nn.Parameter(torch.tensor([0.3, 0.2], dtype=double))
        self.slope = torch.nn.Parameter(torch.tensor([0.9, 0.9], dtype=double))
        self.own = torch.nn.Parameter(torch.zeros((2, N), dtype=double))
        self.log_weight = torch.nn.Parameter(torch.zeros((2, N), dtype=double))
        self.square = torch.nn.Parameter(torch.zeros(2, dtype=double))

    def radius(self) -> torch.Tensor:
        """Radii towards metals and nonmetals, Å, shape (2, 100)."""
        return (self.offset[:, None] + self.slope[:, None] * self.table[None]) * torch.exp(self.own)

    def forward(self, t: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logarithms of the volumes an atom."""
        a, b, radius = t["a"], t["b"], self.radius()
        towards_a, towards_b = self.nonmetal[b], self.nonmetal[a]
        square = (self.chi[a] - self.chi[b]) ** 2
        distance = (radius[towards_a, a] + radius[towards_b, b]) * torch.exp(self.square[0] * square)
        weight = torch.exp(
            self.log_weight[towards_a, a] + self.log_weight[towards_b, b] + self.square[1] * square
        )
        n = len(t["log_volume"])
        zero = torch.zeros(n, dtype=torch.float64)
        up = zero.index_add(0, t["crystal"], weight * distance**volumes.REPULSION * t["repulsion"])
        down = zero.index_add(0, t["crystal"], weight * distance**volumes.ATTRACTION * t["attraction"])
        return torch.log(up) - torch.log(down)

    def penalty(self) -> torch.Tensor:
        """Elements that little is known of stay near what the tabulated radius says."""
        difference = (self.own[0] - self.own[1]) ** 2
        return 3e-5 * (self.own**2).sum() + 3e-5 * (self.log_weight**2).sum() + 1e-5 * difference.sum()


def fit(rows: list[dict[str, Any]]) -> PairModel:
    """Least squares of the logarithm, large errors less than squared."""
    from pymatgen.core.periodic_table import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        elements = [Element.from_Z(z) for z in range(1, N)]
        chi = [0.0] + [float(e.X) if np.isfinite(e.X) else 0.0 for e in elements]
        radius = [np.nan] + [np.nan if e.atomic_radius is None else float(e.atomic_radius) for e in elements]
    model = PairModel(torch.tensor(chi, dtype=torch.float64), torch.tensor(radius, dtype=torch.float64))
    t = tensors(rows)
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=400, history_size=30, line_search_fn="strong_wolfe", tolerance_grad=1e-9
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        wrong = model(t) - t["log_volume"]
        loss = torch.nn.functional.huber_loss(wrong, torch.zeros_like(wrong), delta=0.1) + model.penalty()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        return loss

    optimiser.step(closure)
    return model


def parameters(model: PairModel, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What volumes.json holds."""
    seen = [0] * N
    for row in rows:
        for z in row["elements"]:
            seen[z] += 1
    radius, weight = model.radius().detach().numpy(), model.log_weight.detach().numpy()
    out = {}
    for z in range(1, N):
        if bool(model.known[z]):
            out[ELEMENTS[z - 1]] = {
                "chi": round(float(model.chi[z]), 3),
                "radius": [round(float(x), 4) for x in radius[:, z]],
                "log_weight": [round(float(x), 4) for x in weight[:, z]],
                "crystals": seen[z],
            }
    _interpolate_lanthanides(out)
    return {
        "powers": [volumes.REPULSION, volumes.ATTRACTION],
        "shrink": round(float(model.square.detach()[0]), 5),
        "deepen": round(float(model.square.detach()[1]), 5),
        "nonmetals": list(NONMETALS),
        "elements": out,
    }


def _interpolate_lanthanides(out: dict[str, Any]) -> None:
    """Between La and Lu by the radius of the trivalent ion, for those that no crystal was known of."""
    from pymatgen.core.periodic_table import Element

    def ionic(symbol: str) -> float:
        return float(Element(symbol).ionic_radii[3])

    first, last = out["La"], out["Lu"]
    for symbol in ELEMENTS[57:70]:
        if out.get(symbol, {}).get("crystals", 0) >= FEWEST:
            continue
        share = (ionic("La") - ionic(symbol)) / (ionic("La") - ionic("Lu"))
        between = {
            name: [round(a + share * (b - a), 4) for a, b in zip(first[name], last[name], strict=True)]
            for name in ("radius", "log_weight")
        }
        out[symbol] = {"chi": out[symbol]["chi"], **between, "crystals": 0}


def report(model: PairModel, rows: list[dict[str, Any]]) -> None:
    """Errors on fold 3, by source."""
    for source in SOURCES:
        some = [row for row in rows if row["fold"] == 3 and row["source"] == source]
        with torch.no_grad():
            t = tensors(some)
            wrong = torch.abs(torch.exp(model(t) - t["log_volume"]) - 1.0).numpy()
        print(  # noqa: T201  # a report is what this script is for
            f"{source}: {len(some)} crystals, mean {wrong.mean():.2%}, median {np.median(wrong):.2%},"
            f" 95 % below {np.quantile(wrong, 0.95):.1%}"
        )


def main() -> None:
    """Fit, report, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew volumes.json")
    args = parser.parse_args()
    folder = get_settings().data
    if folder is None:
        raise SystemExit("HTC_DATA is not set")
    torch.manual_seed(0)
    rows = crystals(folder)
    training = [row for row in rows if row["fold"] != 3]
    model = fit(training)
    report(model, rows)
    if args.write:
        OUT.write_text(json.dumps(parameters(model, training), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
