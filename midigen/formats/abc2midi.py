"""abc2midi: the program that most tools play ABC with, as a second judge of tunes and as a measure of our reader.

It is no part of midigen: symusic brings it along, and without it our own validator judges alone. It reads files in a
temporary folder, without a shell and within a time limit.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from midigen.errors import SourceError
from midigen.formats.abc_events import Diagnosis
from midigen.formats.abc_notation import Tune, check_tune
from midigen.formats.midi import read_midi
from midigen.scores.score import Score

TIMEOUT_SECONDS = 60
ERROR = re.compile(r"^Error in line-char (\d+)-(\d+) : +(.*)", re.MULTILINE)
MISSING = "abc2midi is not found beside symusic: only midigen's own validator judges"


def find_abc2midi() -> Path | None:
    """Return the program, which lies in the package of symusic; None where it does not."""
    spec = importlib.util.find_spec("symusic")
    places = (spec.submodule_search_locations or []) if spec else []
    found = (path for place in places for path in Path(place, "bin").glob("abc2midi*"))
    return next(found, None)


def valid_tunes(tunes: Sequence[Tune]) -> list[bool]:
    """Say of each tune whether it is valid: ``check_tune`` finds no fault and abc2midi, if it is there, no error."""
    errors = abc2midi_errors(tunes)
    return [not own and not check_tune(tune) for tune, own in zip(tunes, errors, strict=True)]


def abc2midi_errors(tunes: Sequence[Tune]) -> list[list[Diagnosis]]:
    """Return the errors that abc2midi reports of each tune, in lines of the tune's file; none if it is missing.

    Its warnings are left out: most tunes of good collections get some. If it breaks down, that is its error.
    """
    program = find_abc2midi()
    if program is None or not tunes:
        return [[] for _ in tunes]
    suspects = _suspects(program, tunes)
    return [_errors(program, tune) if tune in suspects else [] for tune in tunes]


def _suspects(program: Path, tunes: Sequence[Tune]) -> set[Tune]:
    """Return the tunes with an error when all of them are read at once, which is fast.

    An unfinished tuplet may spoil the next tune, so that errors found like this are not sure yet.
    """
    try:
        said = _run(program, "\n".join(tune.text for tune in tunes), "-c")
    except SourceError:
        return set(tunes)
    lengths = [tune.text.count("\n") + 1 for tune in tunes]
    tune_of_line = [tune for tune, length in zip(tunes, lengths, strict=True) for _ in range(length)]
    lines = {min(int(line), len(tune_of_line)) for line, _, _ in ERROR.findall(said)}
    return {tune_of_line[line - 1] for line in lines}


def _errors(program: Path, tune: Tune) -> list[Diagnosis]:
    try:
        said = _run(program, tune.text, "-c")
    except SourceError as error:
        return [Diagnosis(tune.line, 1, str(error))]
    lines = tune.text.count("\n")
    # What is found at the end of a tune is reported behind it.
    return [
        Diagnosis(tune.line + min(max(int(line), 1), lines) - 1, int(column) + 1, f"abc2midi: {message.strip()}")
        for line, column, message in ERROR.findall(said)
    ]


def play_with_abc2midi(text: str) -> Score:
    """Return what abc2midi plays of the first tune of a text, without grace notes, chord symbols and dynamics.

    Raises:
        SourceError: the program is missing or breaks down, or writes no notes.
    """
    program = find_abc2midi()
    if program is None:
        raise SourceError(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "tune.mid"
        _run(program, text, "-o", str(written), "-NGRA", "-NGUI", "-NFNP", "-NFER")
        return read_midi(written)


def _run(program: Path, text: str, *options: str) -> str:
    """Return what the program says of a text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tunes.abc"
        source.write_text(text, "utf-8")
        command = [str(program), str(source), *options]
        try:
            done = subprocess.run(command, capture_output=True, cwd=folder, timeout=TIMEOUT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceError(f"abc2midi does not answer: {error}") from error
    if done.returncode < 0:
        raise SourceError("abc2midi breaks down over this")
    return done.stdout.decode("utf-8", "replace")
