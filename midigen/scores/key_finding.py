"""Key finding: the key of a piece that does not name one."""

from __future__ import annotations

import numpy as np

from midigen.scores.score import Key, Score

MAJOR_PROFILE = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR_PROFILE = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
"""How long each pitch class above the tonic sounds in pieces of a key: Albrecht and Shanahan 2013."""
FINAL_NOTE = 0.2
"""What it adds to the correlation if the piece ends on the tonic. Of the chorales' sopranos alone the key is found in
77%; without it in 70%, with the profiles of Krumhansl and Kessler 1982 in 56%."""


def find_key(score: Score, sharps: int | None = None) -> Key:
    """Return the key whose profile correlates best with how long each pitch class sounds (Krumhansl 1990).

    Args:
        score: a piece with notes, no drums among them.
        sharps: the signature if that is known: then only the mode is found.
    """
    heard = np.bincount(score.pitch % 12, score.duration, minlength=12)
    last = score.pitch[-1] % 12
    keys = [
        (np.corrcoef(heard, np.roll(profile, tonic))[0, 1] + FINAL_NOTE * (tonic == last), _key(tonic, mode))
        for mode, profile in (("major", MAJOR_PROFILE), ("minor", MINOR_PROFILE))
        for tonic in range(12)
    ]
    possible = [(fit, key) for fit, key in keys if sharps is None or (key.sharps - sharps) % 12 == 0]
    found = max(possible, key=lambda pair: pair[0])[1]
    return found if sharps is None else Key(0, sharps, found.mode)


def _key(tonic: int, mode: str) -> Key:
    major_tonic = tonic + 3 * (mode == "minor")
    return Key(0, (major_tonic * 7 + 5) % 12 - 5, mode)
