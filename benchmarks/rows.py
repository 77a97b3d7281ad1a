"""Predictions by the million, made up for measurements of the store: the 24 columns of the 003 shape.

The shares are those of the laboratory's training data, roughly: three of four materials below 1 K, a long
tail above, one to five elements of which some are far commoner than others.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

_COMMON_FIRST = (
    "O Si Al Ni Mg Ge Li Cu Ga Pd Rh Sn Pt Zn In Sb C Ca Sr Fe Co S Se P Ti Mn Y Nb V B Ag Au As N"
    " La Ir Te Zr Ru Hg Cd Ba H Ta Hf Sc F Cr Bi Tl Na K Cl Mo W Lu Re Be Os Tc I Br Rb Cs Pb Ce"
    " Pr Nd Er Tm Yb U Th He Xe"
)
SYMBOLS = np.array(re.findall(r"\w+", _COMMON_FIRST))
_WEIGHTS = 1.0 / np.arange(4, 4 + len(SYMBOLS))
RUNS = 20


def table(n: int, seed: int = 0, start: str = "2026-01-01") -> pa.Table:
    """``n`` rows; another seed gives others. Ids sort by row, as those of HTC's own bulk path do."""
    random = np.random.default_rng(seed)
    tail = random.bytes(8 * n).hex()
    moment = int(np.datetime64(start, "ms").astype(int)) + seed * 10_000_000
    ids = [
        f"{(stamp := f'{moment + i // 100:012x}')[:8]}-{stamp[8:]}-7{tail[16 * i : 16 * i + 3]}"
        f"-8{tail[16 * i + 3 : 16 * i + 6]}-{i % 100:02x}{tail[16 * i + 6 : 16 * i + 16]}"
        for i in range(n)
    ]
    count = random.choice([1, 2, 3, 4, 5], n, p=[0.02, 0.23, 0.6, 0.12, 0.03])
    keys = random.random((n, len(SYMBOLS)), dtype=np.float32) ** (1.0 / _WEIGHTS).astype(np.float32)
    chosen = np.argpartition(-keys, 5, axis=1)[:, :5]
    amounts = random.integers(1, 5, (n, 5))
    symbols = SYMBOLS[chosen]
    composition = [
        " ".join(f"{s}{a}" for s, a in sorted(zip(ss[:k], aa[:k], strict=True)))
        for ss, aa, k in zip(symbols.tolist(), amounts.tolist(), count.tolist(), strict=True)
    ]
    reduced = [text.replace(" ", "").replace("1", "") for text in composition]
    hot = random.random(n) < 0.25
    tc = np.where(hot, 1.0 + random.lognormal(1.0, 1.0, n), random.random(n))
    lambda_ep = random.gamma(4.0, 0.12, n) + 0.3 * hot
    pressure = np.where(random.random(n) < 0.7, 0.0, np.round(300.0 * random.random(n) ** 2))
    hull = random.gamma(1.0, 0.08, n)
    created = np.datetime64(start, "us") + (np.arange(n, dtype=np.int64) * 10 + seed * 10_000_000_000)
    return pa.table(
        {
            "id": ids,
            "composition": composition,
            "reduced_formula": reduced,
            "structure_info": pa.array(['{"n_sites": 5}'] * n),
            "tc_predicted": tc,
            "tc_lower_95ci": 0.4 * tc,
            "tc_upper_95ci": 2.0 * tc,
            "tc_uncertainty": 0.3 * tc + 0.2,
            "pressure_required_gpa": pressure,
            "pressure_uncertainty_gpa": np.zeros(n),
            "lambda_ep": lambda_ep,
            "omega_log": random.normal(250.0, 60.0, n).clip(20.0),
            "mu_star": np.full(n, 0.13),
            "xi_parameter": lambda_ep / (1.0 + lambda_ep),
            "phonon_stable": random.random(n) < 0.6,
            "thermo_stable": hull < 0.025,
            "hull_distance_eV": hull,
            "imaginary_modes_count": random.integers(0, 3, n).astype(np.int32),
            "prediction_method": pa.array(["McMillan-Allen-Dynes"] * n),
            "confidence_level": np.array(["low", "medium", "high"])[random.choice(3, n, p=[0.5, 0.4, 0.1])],
            "extrapolation_warning": random.random(n) < 0.2,
            "experiment_id": pa.array([f"bench-{seed}-{i}" for i in (np.arange(n) * RUNS // n)]),
            "created_by": pa.array(["benchmark"] * n),
            "created_at": pa.array(created, pa.timestamp("us", tz="UTC")),
        }
    )
