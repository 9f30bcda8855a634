from __future__ import annotations

from pathlib import Path

import pytest

from midigen.cli.console import Console, shown, summarise


def test_reasons_are_counted_without_what_is_in_brackets() -> None:
    assert summarise(["b", "a (one)", "a (two)"]) == "a (2); b (1)"


def test_rare_reasons_are_put_together() -> None:
    assert summarise(["a", "a", "b", "c", "d"], most=2) == "a (2); b (1); other reasons (2)"


def test_paths_below_the_current_folder_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a") == "a"
    assert shown(tmp_path.parent) == str(tmp_path.parent)


def test_progress_is_silent_where_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with Console().progress("reading") as progress:
        progress(0, 2)
        progress(2, 2)
    assert capfd.readouterr() == ("", "")


def test_quiet_silences_notes_but_not_results(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.quiet = console.verbose = True
    console.note("a")
    console.detail("b")
    console.result("c")
    assert capsys.readouterr() == ("c\n", "")


def test_under_json_only_the_document_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.json = True
    console.result("a")
    console.table(("a",), [("b",)])
    console.note("c")
    console.document({"a": 1})
    assert capsys.readouterr() == ('{\n  "a": 1\n}\n', "c\n")
