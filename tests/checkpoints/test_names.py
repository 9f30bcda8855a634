from __future__ import annotations

from pathlib import Path

import pytest

from midigen.checkpoints.names import claim_run, plain_name
from midigen.errors import CheckpointError


def test_a_new_run_takes_a_folder_that_is_free(tmp_path: Path) -> None:
    assert [claim_run(tmp_path / "runs", "bach").name for _ in range(3)] == ["bach", "bach-2", "bach-3"]


def test_a_working_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(CheckpointError, match="runs"):
        claim_run(tmp_path / "runs", "bach")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bach-chorales", "bach-chorales"),
        ("my songs (old)", "my-songs-old"),
        ("songs.zip", "songs.zip"),
        ("Lieder für Käthe", "Lieder-für-Käthe"),
        ('a/b\\c:d*e?f"g<h>i|j', "a-b-c-d-e-f-g-h-i-j"),
        ("..", "model"),
        ("-rf", "rf"),
    ],
)
def test_a_plain_name_suits_every_system_and_shell(text: str, name: str) -> None:
    assert plain_name(text) == name
