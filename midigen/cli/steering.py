"""The options that steer what is composed, and what is said of them. Heavy imports do not belong here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from midigen.cli import options
from midigen.cli.console import Console

if TYPE_CHECKING:
    from midigen.sampling.generate import Generated

Key = Annotated[str | None, options.steering(metavar="KEY", help="G, 'G minor' or Am; moves a prompt, too.")]
Scale = Annotated[
    str | None,
    options.steering(
        metavar="NAME",
        help="Nothing but this scale, on the tonic of --key or on C: major, minor, dorian, pentatonic, blues, ... or "
        "pitch classes such as 'C D E G A'.",
    ),
]
Range = Annotated[
    str | None,
    options.steering(
        "--range", metavar="LOW-HIGH", help="C4-C6, for all parts; on the grid also by voice: soprano=C4-A5,bass=E2-C4."
    ),
]
Meter = Annotated[str | None, options.steering(metavar="N/D", help="3/4, 6/8, ...")]
Density = Annotated[float | None, options.steering(metavar="X", help="Notes a quarter, all parts together.")]
Chords = Annotated[str | None, options.steering(metavar="SYMBOLS", help="'C G Am F7': one a bar, over and over.")]
Strength = Annotated[
    Literal["soft", "hard"], options.steering(help="Whether notes outside --chords are rarer or forbidden.")
]
End = Annotated[bool, options.steering("--end", help="Close on the tonic, near --length or in the last of --bars.")]
RepeatGuard = Annotated[
    int | None,
    options.steering(
        metavar="N", help="Break a loop of up to N notes (grid: sixteenths, ABC: characters) at its fourth round."
    ),
]


def report_steering(console: Console, generated: Generated) -> dict[str, Any]:
    """Say how much the steering changed; empty without steering."""
    bent = generated.bent
    if bent is None:
        return {}
    draws = max(bent.draws, 1)
    mass, likeliest, passed = bent.mass / draws, bent.likeliest / draws, bent.passed / draws
    console.note(
        f"Steering moved {mass:.2%} of the probability, and the likeliest choice in {likeliest:.2%} of the draws."
    )
    if bent.passed:
        console.note(
            f"In {passed:.2%} of the draws a wish could not be met, for it left nothing to draw: ask for less at once."
        )
    return {
        "steering": {"draws": bent.draws, "mass_moved": mass, "likeliest_changed": likeliest, "passed_over": passed}
    }
