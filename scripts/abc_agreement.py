"""Does midigen's reader of ABC hear what abc2midi plays?

Run ``python scripts/abc_agreement.py [FILE.abc ...]`` for the collections that come with music21 and the files that
are named. For each collection: the tunes whose onsets, pitches and lengths agree within a rounding of ticks, why the
others do not, how fast midigen reads, and how many tunes are valid; behind them one line for all together.

What abc2midi adds is taken out before: ornaments, staccato, decorations, grace notes, chord symbols, the delays between
the notes of a chord, and the swing of a hornpipe (R:).
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from midigen.corpora.bundled import bundled_files
from midigen.corpora.catalogue import CATALOGUE
from midigen.errors import SourceError
from midigen.formats.abc2midi import MISSING, abc2midi_errors, find_abc2midi, play_with_abc2midi, valid_tunes
from midigen.formats.abc_notation import Tune, read_tune, read_tunes
from midigen.scores.score import Score

TOLERANCE_TICKS = 2
"""abc2midi holds every onset but the first back by a tick, and rounds the lengths of tuplets."""
ADDED = re.compile(r'(\[[A-Za-z]:[^\]]*\])|"[^"]*"|![\w.()<>+^{}/]*!|\+[\w.]+\+|\{[^}]*\}|[.~H-WYh-wy`]')
FIELD = re.compile(r"[A-Za-z]:(?![|:])")
TIE = "a tie to another pitch: abc2midi drops or lengthens notes, ours plays both"
REFUSED = {
    "Could not find note to be tied": TIE,
    "'!' or '+' in middle of line": "a lone '!': abc2midi reads on to the next one, ours takes it for a line break",
    "Unknown mode": "a key that does not exist: abc2midi takes its letter, ours C major",
    "Chord already finished": "a sign that abc2midi refuses and ours reads",
    "Unrecognized character": "a sign that abc2midi refuses and ours passes over",
}
"""What abc2midi's errors mean for its playing."""
WRITTEN = {
    r"(?s)M: *3.*\([579]": "(5, (7 or (9 in three-four time: abc2midi takes the time of 3, ours and ABC 2.1 of 2",
    r"V:": "repeats of several voices",
    r"\[[^]|:]*\d[^]|:]*\]": "a chord of notes of different lengths, which ABC leaves open",
    r"-[ |]": TIE,
}
"""Patterns in the text of a tune, for what abc2midi plays otherwise without an error."""


def main() -> None:
    """Report on the files that are named and on the bundled collections."""
    if find_abc2midi() is None:
        sys.exit(MISSING)
    bundled = (corpus for corpus in CATALOGUE.values() if corpus.format == "abc" and not corpus.downloads)
    collections = {name: [Path(name)] for name in sys.argv[1:]}
    collections |= {corpus.name: bundled_files(corpus) for corpus in bundled}
    total, agreeing = 0, 0
    for name, files in collections.items():
        try:
            tunes = [tune for file in files for tune in read_tunes(file)]
        except SourceError as error:
            sys.exit(f"{error}; name files in ABC notation")
        total += len(tunes)
        agreeing += report(Path(name).name, tunes)
    print(f"all {len(collections)} collections: {agreeing:,} of {total:,} tunes agree ({agreeing / total:.2%})")


def report(name: str, tunes: list[Tune]) -> int:
    """Print what is found of a collection and return how many of its tunes agree."""
    started = time.process_time()
    ours = [heard(tune) for tune in tunes]
    seconds = (time.process_time() - started) * 1000 / len(tunes)
    with ThreadPoolExecutor() as pool:
        theirs = list(pool.map(played, tunes))
    reasons = Counter(why(*three) for three in zip(tunes, ours, theirs, strict=True) if not agree(*three[1:]))
    agreeing, valid = len(tunes) - reasons.total(), sum(valid_tunes(tunes))
    print(f"{name}: {agreeing:,} of {len(tunes):,} tunes agree ({agreeing / len(tunes):.2%})")
    for reason, count in reasons.most_common():
        print(f"  {count:3d} x {reason}")
    print(f"  1,000 tunes are read in {seconds:.1f} s on one core; {valid / len(tunes):.1%} of the tunes are valid")
    return agreeing


def heard(tune: Tune) -> Score | None:
    """Return what our reader hears, if anything."""
    try:
        return read_tune(tune)
    except SourceError:
        return None


def played(tune: Tune) -> Score | None:
    """Return what abc2midi plays, if anything."""
    try:
        return play_with_abc2midi("\n".join(bare(tune.text)))
    except SourceError:
        return None


def bare(text: str) -> Iterator[str]:
    """Yield the lines of a tune without what abc2midi would add to the notes."""
    has_key = False
    for line in text.splitlines():
        if FIELD.match(line) and not line.startswith("R:"):
            if line.startswith("K:") and not has_key:
                yield "%%MIDI chordattack 0"
                has_key = True
            yield line
        elif has_key and not line.startswith("%") and not line.startswith("R:"):
            yield ADDED.sub(lambda found: found[1] or "", re.sub(r"(?<!\\)%.*", "", line))


def agree(ours: Score | None, theirs: Score | None) -> bool:
    """Say whether two scores hold the same notes, whatever the parts."""
    if ours is None or theirs is None:
        return ours is theirs
    one, other = (score.notes[np.lexsort((score.duration, score.onset, score.pitch))] for score in (ours, theirs))
    return one.shape == other.shape and bool((abs(one - other)[:, :3] <= (TOLERANCE_TICKS, TOLERANCE_TICKS, 0)).all())


def why(tune: Tune, ours: Score | None, theirs: Score | None) -> str:
    """Say in words why two readings differ, as far as it can be told."""
    if ours is None or theirs is None:
        return f"{'ours' if ours is None else 'abc2midi'} hears no notes"
    said = "\n".join(error.message for error in abc2midi_errors([tune])[0])
    reasons = [reason for message, reason in REFUSED.items() if message in said]
    reasons += [reason for pattern, reason in WRITTEN.items() if re.search(pattern, tune.text)]
    return reasons[0] if reasons else "another reason"


if __name__ == "__main__":
    main()
