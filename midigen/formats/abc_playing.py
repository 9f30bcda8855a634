"""The written events of an ABC tune in the order in which they are played, and their bars measured.

Repeats and numbered endings are signs in the text; a player turns back at ``:|`` to the last ``|:``, or where none
stands to the end of the section before, and takes the ending of its round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from midigen.formats.abc_events import Bar, Diagnosis, Event, Mark, Sound
from midigen.formats.abc_fields import Meter


@dataclass
class _Section:
    """What is repeated: a body, and endings with the numbers of the rounds that take them."""

    body: list[Event] = field(default_factory=list)
    endings: list[tuple[tuple[int, ...], list[Event]]] = field(default_factory=list)
    is_repeated: bool = False

    def played(self) -> Iterator[Event]:
        """Yield the body with the right ending, as many rounds as the endings count, or else two or one."""
        rounds = max((max(numbers) for numbers, _ in self.endings), default=1)
        for turn in range(1, max(rounds, 1 + self.is_repeated) + 1):
            yield from self.body
            for numbers, ending in self.endings:
                if turn in numbers:
                    yield from ending


def played(events: Sequence[Event], order: str) -> Iterator[Event]:
    """Yield events as they are played: the parts in ``order``, if it is not empty, and each with its repeats.

    An order that names a part the tune does not mark is not followed.
    """
    parts: list[tuple[str, list[Event]]] = [("", [])]
    for event in events:
        if isinstance(event, Mark):
            parts.append((event.part, []))
        else:
            parts[-1][1].append(event)
    by_name = dict(parts)
    chosen = ["", *order] if order and set(order) <= set(by_name) else None
    for part in [by_name[name] for name in chosen] if chosen else [part for _, part in parts]:
        for section in _sections(part):
            yield from section.played()


def _sections(events: Sequence[Event]) -> Iterator[_Section]:
    """Yield the sections: each ends at a closed repeat with its endings, before ``|:``, or at a double bar.

    A double bar ends no section that ``|:`` began, and none before the tune's first repeat, which reaches back to the
    beginning, as abc2midi plays it; after the last ending it always does.
    """
    section, current = _Section(), list[Event]()
    section.body = current
    may_end = False
    for at, event in enumerate(events):
        current.append(event)
        if not isinstance(event, Bar):
            continue
        section.is_repeated |= event.closes
        following = events[at + 1] if at + 1 < len(events) else None
        goes_on = event.endings or (isinstance(following, Bar) and following.endings)
        ends = event.closes or (event.is_double and (may_end or bool(section.endings)))
        taken = {number for numbers, _ in section.endings for number in numbers}
        if event.opens or (ends and not goes_on) or taken & set(event.endings):
            yield section
            section, may_end = _Section(), not event.opens
            current = section.body
        if event.endings:
            current = []
            section.endings.append((event.endings, current))
    yield section


def misfits(events: Sequence[Event]) -> Iterator[Diagnosis]:
    """Yield the bars that do not hold their metre.

    A bar may be short at the edges of a section: at its beginning (a pick-up), before a repeat sign, a double bar, a
    numbered ending and the end of the tune. No bar may be too long.
    """
    bar, length, first, at_edge = Fraction(0), Fraction(0), None, True
    end = Bar(False, False, True, (), True, 0, 0)
    for event, following in zip([*events, end], [*events[1:], end, end], strict=True):
        if isinstance(event, Sound):
            first = first or event
            length += event.length
        elif isinstance(event, Meter):
            bar = event.bar
        elif isinstance(event, Bar):
            # An ending may begin on the next line of text, apart from its bar line.
            begins_ending = isinstance(following, Bar) and not following.is_line
            is_edge = event.closes or event.opens or event.is_double or bool(event.endings) or begins_ending
            is_short = length < bar and not at_edge and not is_edge
            if event.is_line and first and bar and (length > bar or is_short):
                yield Diagnosis(first.line, first.column, f"this bar lasts {length} of a whole note, not {bar}")
            at_edge = is_edge or (at_edge and first is None)
            if event.is_line:
                length, first = Fraction(0), None


def unclosed(events: Sequence[Event]) -> Iterator[Diagnosis]:
    """Yield the repeats that open and are not closed before the next one or the end, and the endings without a first.

    A repeat that closes without a sign that opens it is common and clear: it goes back to the last section's end.
    """
    opened: Bar | None = None
    has_first = False
    for event in events:
        if not isinstance(event, Bar):
            continue
        if event.endings and 1 not in event.endings and not has_first:
            yield Diagnosis(event.line, event.column, f"ending {min(event.endings)} has no ending 1 before it")
        has_first = has_first or 1 in event.endings
        if event.opens and opened and not event.closes:
            yield Diagnosis(opened.line, opened.column, "this repeat is not closed before the next one opens")
        opened = event if event.opens else None if event.closes else opened
    if opened:
        yield Diagnosis(opened.line, opened.column, "this repeat is opened and never closed")
