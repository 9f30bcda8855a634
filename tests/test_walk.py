"""The whole road, walked as a user walks it: another process for every command, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from midigen.corpora.store import Piece
from midigen.formats.midi import read_midi
from midigen.scores.time import ticks_to_seconds


def midigen(folder: Path, corpora: Path, *arguments: str) -> Any:  # noqa: ANN401  # what JSON holds
    """Run a command and return what it printed; it must print nothing else and warn of nothing."""
    ended = subprocess.run(
        [sys.executable, "-m", "midigen", *arguments, "--json"],
        cwd=folder,
        env={**os.environ, "MIDIGEN_CORPORA": str(corpora)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert not any(word in ended.stderr for word in ("Traceback", "Warning:", "lightning")), ended.stderr
    return json.loads(ended.stdout)


def test_from_nothing_to_sound(tmp_path: Path, request: pytest.FixtureRequest, chorales: tuple[Piece, ...]) -> None:
    assert request.config.cache is not None
    corpora = request.config.cache.mkdir("corpora")
    (fetched,) = midigen(tmp_path, corpora, "fetch", "bach-chorales")
    assert fetched["pieces"] == len(chorales)

    size = ("--hidden-size", "16", "--layers", "1", "--epochs", "1")
    trained = midigen(tmp_path, corpora, "train", "bach-chorales", "--name", "bach", *size)
    assert trained["train_loss"] < np.log(58)

    generated = midigen(tmp_path, corpora, "generate", "bach", "--bars", "4", "--seed", "1", "--out", "new.mid")
    score = read_midi(tmp_path / "new.mid")
    assert generated["notes"] == len(score) > 0
    assert score.onset.max() < 4 * 4 * 480

    (rendered,) = midigen(tmp_path, corpora, "render", "new.mid", "--out", "rendered.wav")
    assert rendered["out"] == "rendered.wav"
    for sound in ("new.wav", "rendered.wav"):
        samples, rate = soundfile.read(tmp_path / sound)
        music = float(ticks_to_seconds(np.array(score.end), score.tempos))
        assert (rate, samples.shape[1]) == (44_100, 2)
        assert music <= len(samples) / rate <= music + 6
        assert np.sqrt((samples**2).mean()) > 0.003
        assert np.abs(samples).max() <= 1.0
