"""``midigen lab``: the lessons of the source texts, run."""

from __future__ import annotations

import glob
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from midigen.cli import options
from midigen.cli.console import Console, refuse_to_overwrite, shown
from midigen.errors import UsageError


def _complete_lab() -> list[str]:
    from midigen.labs.lab import LABS

    return list(LABS)


def lab(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which lab to run.", autocompletion=_complete_lab, show_default=False),
    ] = None,
    list_labs: Annotated[bool, typer.Option("--list", help="Show the table of contents.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to write (.png); music goes beside it.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Your own data, for labs that take some (see --list).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Makes a run repeatable.")] = 0,
    force: options.Force = False,
    corpora: options.Corpora = options.CORPORA,
    checkpoints: options.Checkpoints = options.CHECKPOINTS,
) -> None:
    """Run a lesson of the texts this project began with.

    Shows the text's own figures beside ours, and draws a picture. Without a name, shows which labs there are.

    Example: midigen lab optimizers --out paths.png
    """
    console: Console = ctx.obj
    if name is None or list_labs:
        _list(console)
        return
    import torch

    from midigen.formats.midi import write_midi
    from midigen.labs.lab import LABS, Settings, find_lab
    from midigen.rendering.piano_roll import save_png

    run = find_lab(name)
    if data is not None and not LABS[name].data:
        raise UsageError(f"The lab {name} takes no --data; midigen lab --list shows those that do.")
    picture = out or Path(f"lab-{name}.png")
    if picture.suffix.lower() != ".png":
        raise UsageError(f"--out {picture} must end in .png.", file=picture)
    refuse_to_overwrite([picture, *picture.parent.glob(f"{glob.escape(picture.stem)}-*.mid")], force=force)
    # Matrices this small lose more by sharing the work than they gain.
    torch.set_num_threads(1)
    started = time.perf_counter()
    with console.progress(name, "step") as progress:
        report = run(Settings(seed, corpora, checkpoints, data, progress))
    seconds = time.perf_counter() - started
    save_png(report.figure, picture)
    files = [picture]
    for stem, score in report.scores.items():
        files.append(picture.with_name(f"{picture.stem}-{stem}.mid"))
        write_midi(score, files[-1], [f"midigen lab {name}, seed {seed}: {stem}"])
    console.document(
        {
            "name": name,
            "results": [result._asdict() for result in report.results],
            "remarks": report.remarks,
            "files": [str(file) for file in files],
            "seconds": seconds,
        }
    )
    console.table(("", "the text", "here"), report.results)
    for remark in report.remarks:
        console.result(f"- {remark}")
    console.note(f"Took {seconds:.0f} s; wrote {', '.join(shown(file) for file in files)}.")


def _list(console: Console) -> None:
    from midigen.labs.lab import LABS

    console.document([{"name": name, **asdict(entry)} for name, entry in LABS.items()])
    console.table(
        ("lab", "about", "text and chapter", "takes --data"),
        [
            (
                name,
                entry.title,
                "; ".join(map(_reference, entry.text.split("; "), entry.chapter.split("; "))),
                entry.data,
            )
            for name, entry in LABS.items()
        ],
    )


def _reference(text: str, chapter: str) -> str:
    return f"{text} {chapter}"
