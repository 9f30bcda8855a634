"""Which of many pieces ``midigen generate`` keeps, and what it says of their originality, as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from midigen.checkpoints.run import load_checkpoint
from midigen.cli.app import app
from midigen.evaluation.originality import Passages
from midigen.evaluation.ranking import likelihood_of
from midigen.formats.midi import read_midi, write_midi
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a small model of hymns, its dataset, and one of its training pieces as MIDI."""
    folder = tmp_path_factory.mktemp("work")
    data = tiny.hymns(folder / "data")
    tiny.trained(folder / "checkpoints", data, epochs=1)
    write_midi(data.representation.decode(*data.piece(0)), folder / "known.mid")
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIDIGEN_CHECKPOINTS", str(folder / "checkpoints"))


def generate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["generate", "run", "--no-wav", "--seed", "1", *map(str, arguments)])


def test_every_piece_comes_with_its_originality(folder: Path) -> None:
    known = Passages.of([tiny.hymn(seed) for seed in range(3)])
    (file,) = json.loads(generate("--prompt", folder / "known.mid", "--length", 4, "--json").stdout)["files"]
    found = known.shared(read_midi(Path(file["midi"])))
    assert file["originality"] == {"longest": found.longest, "share": pytest.approx(found.share)}
    assert found.longest >= 12
    said = generate("--prompt", folder / "known.mid", "--length", 4, "--force").stdout
    assert f"longest passage shared with the training music: {found.longest} steps; {found.share:.0%} of its" in said


def test_new_music_is_said_to_share_nothing() -> None:
    assert "no passage of 8 steps is shared with the training music" in generate("--length", 16).stdout


def test_where_the_music_is_gone_originality_is_unknown_and_nothing_fails(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(next((folder / "checkpoints" / "run").glob("epoch-*")), alone)
    (alone / "trainer.json").unlink()
    arguments = ["generate", str(alone), "--no-wav", "--length", "8", "--out", "a.mid"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["files"][0]["originality"] is None
    assert "Originality is not known" in result.stderr
    for wish in (["--max-copy", "9"], ["--count", "2", "--keep", "1", "--rank", "novelty"]):
        refused = CliRunner().invoke(app, [*arguments, "--force", *wish])
        assert refused.exit_code == 2
        assert "Originality is not known" in refused.stderr


def test_what_copies_is_refused_by_name(folder: Path) -> None:
    result = generate("--prompt", folder / "known.mid", "--length", 4, "--count", 2, "--max-copy", 8)
    assert result.exit_code == 1
    assert "None of 2 pieces is left: copies (2)" in " ".join(result.stderr.split())
    assert all("copies (1" in line for line in result.stdout.splitlines()[1:])
    assert not list(Path().iterdir())
    assert generate("--length", 16, "--count", 2, "--max-copy", 8).exit_code == 0


def test_a_passage_that_is_too_short_to_look_for_is_refused() -> None:
    result = generate("--length", 16, "--max-copy", 3)
    assert result.exit_code == 2
    assert "--max-copy must be 7 or more" in result.stderr


def test_rank_alone_puts_all_pieces_in_order() -> None:
    rows = json.loads(generate("--length", 16, "--count", 4, "--rank", "likelihood", "--json").stdout)["ranking"]
    assert [row["kept"] for row in rows] == [1, 2, 3, 4]
    assert sorted(row["piece"] for row in rows) == [1, 2, 3, 4]
    assert len(list(Path().glob("*.mid"))) == 4


def test_where_the_style_is_not_known_likelihood_ranks() -> None:
    rows = json.loads(generate("--length", 16, "--count", 2, "--keep", 1, "--json").stdout)["ranking"]
    assert "likelihood" in rows[0]


@pytest.mark.parametrize("rank", ["likelihood", "novelty"])
def test_the_best_of_many_are_kept_and_all_others_have_a_reason(rank: str, folder: Path) -> None:
    wishes = ("--length", 24, "--count", 6, "--keep", 2, "--rank", rank, "--out", "best")
    document = json.loads(generate(*wishes, "--json").stdout)
    rows = document["ranking"]
    assert sorted(row["piece"] for row in rows) == [1, 2, 3, 4, 5, 6]
    assert [row["kept"] for row in rows] == [1, 2, None, None, None, None]
    assert all(bool(row["reason"]) == (row["kept"] is None) for row in rows)
    assert len(document["files"]) == 2
    if rank == "likelihood":
        judge = likelihood_of(load_checkpoint(next((folder / "checkpoints" / "run").glob("epoch-*"))))
        measured = [judge.measure(read_midi(Path(file["midi"]))) for file in document["files"]]
        assert measured == pytest.approx([row["likelihood"] for row in rows[:2]])
    result = generate(*wishes, "--force")
    assert len(result.stdout.splitlines()) == 1 + 6 + 2 + 2
    assert "Kept 2 of 6 pieces. Thrown away: " in result.stderr
