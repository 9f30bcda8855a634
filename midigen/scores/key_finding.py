"""Key finding: the key of a piece that does not name one."""

from __future__ import annotations

import numpy as np

from midigen.scores.score import Key, Score

MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""How well each pitch class above the tonic fits a key, as listeners judged: Krumhansl and Kessler 1982."""


def find_key(score: Score, sharps: int | None = None) -> Key:
    """Return the key whose profile correlates best with how long each pitch class sounds (Krumhansl 1990).

    Args:
        score: a piece with notes, no drums among them.
        sharps: the signature if that is known: then only the mode is found.
    """
    heard = np.bincount(score.pitch % 12, score.duration, minlength=12)
    keys = [
        (float(np.corrcoef(heard, np.roll(profile, tonic))[0, 1]), _key(tonic, mode))
        for mode, profile in (("major", MAJOR_PROFILE), ("minor", MINOR_PROFILE))
        for tonic in range(12)
    ]
    possible = [(fit, key) for fit, key in keys if sharps is None or (key.sharps - sharps) % 12 == 0]
    mode = max(possible, key=lambda pair: pair[0])[1]
    return mode if sharps is None else Key(0, sharps, mode.mode)


def _key(tonic: int, mode: str) -> Key:
    major_tonic = tonic + 3 * (mode == "minor")
    return Key(0, (major_tonic * 7 + 5) % 12 - 5, mode)
