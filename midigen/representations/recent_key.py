"""Recent key: what key the last notes of a piece suggest, for networks to see.

It is the key whose profile correlates best with how long each pitch class sounded (``midigen.scores.key_finding``), in
whole numbers, so that the same notes give the same key wherever they are counted.
"""

from __future__ import annotations

import numpy as np

from midigen.scores.key_finding import MAJOR_PROFILE, MINOR_PROFILE
from midigen.scores.score import Ints

WINDOW = 96
"""Notes that are heard."""
PRECISION = 1_000_000


def _profiles() -> Ints:
    """Return the profiles of the 24 keys, major first, (24, 12), each without its mean and of one length."""
    rolled = np.array([np.roll(p, tonic) for p in (MAJOR_PROFILE, MINOR_PROFILE) for tonic in range(12)])
    centred = rolled - rolled.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.rint(PRECISION * centred / length), np.int64)


PROFILES = _profiles()


def keys_of(heard: Ints) -> Ints:
    """Return tonic (0 to 11) and mode (0 major, 1 minor), (..., 2), from how long pitch classes sounded, (..., 12)."""
    best = (heard @ PROFILES.T).argmax(-1)
    return np.stack([best % 12, best // 12], axis=-1)


def heard_before(pitch: Ints, length: Ints) -> Ints:
    """Return how long each pitch class sounded in the last notes before each note and behind the last, (T + 1, 12)."""
    total = np.zeros((len(pitch) + 1, 12), np.int64)
    np.cumsum(np.where(pitch[:, None] % 12 == np.arange(12), length[:, None], 0), axis=0, out=total[1:])
    total[WINDOW:] -= total[: max(len(total) - WINDOW, 0)].copy()
    return total
