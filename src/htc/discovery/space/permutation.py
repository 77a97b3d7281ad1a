"""A random order of the numbers below n that is nowhere written down."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["Permutation"]

_ROUNDS: Final = 6
_MASK: Final = 2**64 - 1


def _mixed(x: int) -> int:
    """Sixty-four bits that look random; finaliser of SplitMix64 (Steele et al., 10.1145/2660193.2660195)."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


class Permutation:
    """A bijection of ``range(n)``, fixed by its seed, in constant memory and time.

    An alternating Feistel network over pairs of digits (a, b) with a·b just above n; what falls above n is
    sent through again (Black & Rogaway, CT-RSA 2002, doi:10.1007/3-540-45760-7_9). Integers only: the same on
    every machine.

    Args:
        n: how many numbers, at least 1.
        seed: any integer.
    """

    def __init__(self, n: int, seed: int) -> None:
        """Derive the keys."""
        self.n = n
        self._a = math.isqrt(n - 1) + 1 if n > 1 else 1
        self._b = -(-n // self._a)
        start = _mixed((seed & _MASK) ^ _mixed(n & _MASK))
        self._keys = tuple(_mixed(start + i) for i in range(_ROUNDS))

    def __len__(self) -> int:
        """How many numbers."""
        return self.n

    def __getitem__(self, i: int) -> int:
        """Where number ``i`` goes.

        Raises:
            IndexError: ``i`` is not in ``range(n)``.
        """
        if not 0 <= i < self.n:
            raise IndexError(i)
        a, b = self._a, self._b
        while True:
            left, right = i % a, i // a
            for turn, key in enumerate(self._keys):
                if turn % 2:
                    right = (right + _mixed(key ^ left)) % b
                else:
                    left = (left + _mixed(key ^ right)) % a
            i = left + a * right
            if i < self.n:
                return i

    def index(self, image: int) -> int:
        """Which number goes to ``image``: the inverse.

        Raises:
            IndexError: ``image`` is not in ``range(n)``.
        """
        if not 0 <= image < self.n:
            raise IndexError(image)
        a, b = self._a, self._b
        i = image
        while True:
            left, right = i % a, i // a
            for turn in reversed(range(_ROUNDS)):
                key = self._keys[turn]
                if turn % 2:
                    right = (right - _mixed(key ^ left)) % b
                else:
                    left = (left - _mixed(key ^ right)) % a
            i = left + a * right
            if i < self.n:
                return i
