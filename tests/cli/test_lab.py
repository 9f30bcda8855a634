"""midigen lab: the lessons listed, run, and their pictures written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midigen.cli.app import app
from midigen.labs.lab import LABS

runner = CliRunner()


@pytest.mark.parametrize("arguments", [["lab"], ["lab", "--list"]])
def test_the_contents_name_every_lab_with_text_and_chapter(arguments: list[str]) -> None:
    listed = runner.invoke(app, arguments)
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in LABS)
    entries = json.loads(runner.invoke(app, ["--json", *arguments]).stdout)
    assert [entry["name"] for entry in entries] == list(LABS)
    assert all(entry["text"] and entry["chapter"] for entry in entries)


def test_a_lab_prints_the_text_beside_ours_and_draws_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "rod.png"
    done = runner.invoke(app, ["--json", "lab", "linear-regression", "--out", str(picture)])
    report = json.loads(done.stdout)
    assert {"quantity": "slope (rate 0.01)", "text": "2.9757", "ours": report["results"][0]["ours"]} in report[
        "results"
    ]
    assert report["files"] == [str(picture)]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_lab_a_wrong_suffix_and_a_picture_that_is_there_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    (tmp_path / "b-samples.mid").write_text("mine")
    for arguments, words in (
        (["bread"], "no lab called 'bread'"),
        (["linear-regression", "--out", "a.jpg"], "must end in .png"),
        (["linear-regression", "--data", str(tmp_path)], "takes no --data"),
        (["gan", "--out", str(tmp_path / "b.png")], "b-samples.mid is there already"),
        (["linear-regression", "--out", str(tmp_path / "a.png")], "is there already"),
    ):
        refused = runner.invoke(app, ["lab", *arguments])
        assert refused.exit_code == 2
        assert words in " ".join(refused.stderr.split())
    assert (tmp_path / "a.png").read_text() == "mine"
