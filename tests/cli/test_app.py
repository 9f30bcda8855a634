from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import music21
import pytest
import typer
from typer.testing import CliRunner

from midigen import __version__
from midigen.cli.app import Commands, app
from midigen.errors import MidigenError, SourceError, UsageError

COMMANDS = (
    *("fetch", "info", "parse", "train", "presets", "models", "generate", "harmonize", "inpaint", "evaluate"),
    *("render", "play", "check", "lab"),
)
MIDIGEN = [sys.executable, "-m", "midigen"]

runner = CliRunner()


def app_that_raises(error: BaseException) -> typer.Typer:
    """A command line like ours with two commands, the first of which fails."""
    failing = typer.Typer(cls=Commands, rich_markup_mode=None)

    @failing.command()
    def fail() -> None:
        raise error

    @failing.command()
    def rest() -> None:
        """Make it a group."""

    return failing


def run_with_closed_stdout(*arguments: str) -> subprocess.CompletedProcess[str]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run([*MIDIGEN, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)


def test_without_arguments_the_help_is_shown() -> None:
    result = runner.invoke(app, [])
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")


def test_the_commands_are_listed_in_the_order_of_use() -> None:
    listed = runner.invoke(app, ["--help"]).stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.strip().splitlines()] == list(COMMANDS)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_help_fits_80_columns_and_lists_the_switches(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "-h"])
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert all(switch in result.stdout for switch in ("--json", "-q, --quiet", "-v, --verbose", "--debug"))


@pytest.mark.parametrize("command", ["fetch", "info", "parse", "render", "play", "check"])
def test_every_help_gives_an_example(command: str) -> None:
    assert f"Example: midigen {command}" in runner.invoke(app, [command, "--help"]).stdout


def test_the_version_is_shown() -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"midigen {__version__}\n"


@pytest.mark.parametrize(
    ("command", "headings"),
    [
        ("generate", ["What to compose", "Sampling", "Steering", "Many, then the best", "Output"]),
        ("train", ["Tokens", "Network", "Training", "Run", "Hardware"]),
    ],
)
def test_long_lists_of_options_have_headings_and_the_common_ones_come_last(command: str, headings: list[str]) -> None:
    lines = runner.invoke(app, [command, "--help"], env={"COLUMNS": "80"}).stdout.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and line[0] != " "] == ["Arguments", *headings, "Options"]


def test_no_heavy_library_is_imported_for_the_help() -> None:
    code = "import sys, midigen.cli.app; print([m for m in ('torch', 'music21', 'numpy', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["--json", "fetch", "nix"], ["fetch", "nix", "--json"]])
def test_the_switches_work_before_and_after_the_command(arguments: list[str]) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["file"] == "nix"


@pytest.mark.parametrize(
    "arguments", [["fetch", "--bogus"], ["--bogus"], ["bogus"], ["render"], ["parse", "--clock", "x"]]
)
def test_wrong_usage_ends_with_2_and_one_document_under_json(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).stdout == ""
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout).keys() == {"error", "file"}


@pytest.mark.parametrize(("error", "code"), [(SourceError("Too short."), 1), (UsageError("Too short."), 2)])
def test_our_errors_become_one_sentence(error: MidigenError, code: int) -> None:
    result = runner.invoke(app_that_raises(error), ["fail"])
    assert (result.stdout, result.stderr, result.exit_code) == ("", "Error: Too short.\n", code)


def test_an_error_of_the_system_becomes_one_sentence() -> None:
    result = runner.invoke(app_that_raises(OSError(28, "No space left on device", "x.wav")), ["fail"])
    assert (result.stderr, result.exit_code) == ("Error: x.wav: No space left on device.\n", 1)


def test_an_unexpected_error_asks_for_debug() -> None:
    result = runner.invoke(app_that_raises(ZeroDivisionError("by zero")), ["fail"])
    assert result.stderr.startswith("Error: Unexpected ZeroDivisionError: by zero. Run again with --debug")
    assert (result.stderr.count("\n"), result.exit_code) == (1, 1)


def test_debug_shows_the_traceback() -> None:
    result = runner.invoke(app, ["fetch", "nix", "--debug"])
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: there is no corpus")


def test_an_interrupt_ends_with_130_and_one_line() -> None:
    result = runner.invoke(app_that_raises(KeyboardInterrupt()), ["fail"])
    assert (result.stderr, result.exit_code) == ("Error: Interrupted.\n", 130)


def test_markup_and_escapes_in_names_are_plain_text() -> None:
    result = runner.invoke(app_that_raises(SourceError("[red]a[/] \x1b[31m\udcff")), ["fail"])
    assert result.stderr == "Error: [red]a[/] \ufffd[31m\ufffd\n"


@pytest.mark.parametrize("arguments", [["fetch", "--list"], ["fetch", "--list", "--json"], ["fetch", "--help"]])
def test_a_closed_pipe_ends_quietly(arguments: list[str]) -> None:
    done = run_with_closed_stdout(*arguments)
    assert (done.stderr, done.returncode) == ("", 141)


def test_no_colour_is_written_to_a_pipe_nor_under_no_color() -> None:
    for extra in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}):
        done = subprocess.run([*MIDIGEN, "fetch", "nix"], env=os.environ | extra, capture_output=True, check=False)
        assert done.returncode == 1
        assert b"\x1b" not in done.stderr


def test_worker_processes_start_from_the_console_script(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("midigen.exe" if os.name == "nt" else "midigen")
    chorales = Path(music21.__file__).parent / "corpus" / "bach"
    (tmp_path / "songs").mkdir()
    for name in ("bwv253.mxl", "bwv254.mxl"):
        shutil.copy(chorales / name, tmp_path / "songs")
    command = [str(script), "parse", str(tmp_path / "songs"), "--corpora", str(tmp_path / "corpora"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["pieces"] == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a child")
def test_ctrl_c_while_reading_ends_at_once_without_a_traceback(tmp_path: Path) -> None:
    command = [*MIDIGEN, "fetch", "quartets", "--corpora", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "quartets" / "pieces.lock").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1] == "Error: Interrupted.\n"
    assert process.returncode == 130
