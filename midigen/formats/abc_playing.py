"""The written events of an ABC tune in the order in which they are played, and their bars measured.

Repeats and numbered endings are signs in the text. Where ABC 2.1 leaves open what they mean together, or a sign is
missing, they are played as abc2midi plays them, which most tools call; this holds even where a player would smile:
behind a closed second ending the body comes once more, and behind the first ending of a tune no repeat opens by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from midigen.formats.abc_events import Bar, Diagnosis, Event, Mark, Sound
from midigen.formats.abc_fields import Meter

MAX_TURNS = 4
"""Through a repeat with endings."""


def played(events: Sequence[Event], order: str, *, is_only_voice: bool = True) -> Iterator[Event]:
    """Yield events as they are played: the parts in ``order``, if it is not empty, and each with its repeats.

    An order that names a part the tune does not mark is not followed. Repeat signs are completed throughout where
    there is but one voice and no order, and only at the beginning otherwise.
    """
    parts: list[tuple[str, list[Event]]] = [("", [])]
    for event in events:
        if not isinstance(event, Mark):
            parts[-1][1].append(event)
        elif order:
            parts.append((event.part, []))
    by_name = dict(parts)
    chosen = ["", *order] if order and set(order) <= set(by_name) else None
    for part in [by_name[name] for name in chosen] if chosen else [part for _, part in parts]:
        begun = _begun(part)
        yield from _repeated(_completed(begun) if is_only_voice and not order else begun)


def _begun(events: Sequence[Event]) -> list[Event]:
    """Return the events behind a double bar, which opens the first repeat if nothing else does.

    Each ending becomes a Bar of its own behind its bar line.
    """
    signs = [event for event in events if isinstance(event, Bar) and (event.closes or event.opens)]
    result: list[Event] = [Bar(False, bool(signs and signs[0].closes), True, (), True, 0, 0)]
    for event in events:
        if not isinstance(event, Bar) or not event.endings:
            result.append(event)
            continue
        if event.is_line:
            result.append(event._replace(endings=()))
        result.append(Bar(False, False, False, event.endings, False, event.line, event.column))
    return result


def _completed(events: list[Event]) -> list[Event]:
    """Return the events with the repeat signs that are missing.

    A repeat that closes and was not opened opens at the last double bar or closed repeat. One that is opened twice
    closes before the second time.
    """
    bars = {place: event for place, event in enumerate(events) if isinstance(event, Bar)}
    result = list(events)
    point, is_open, has_endings = 0, False, False
    for place, bar in bars.items():
        is_missing = not is_open and not has_endings and (bar.closes or bool(bar.endings))
        if is_missing or (not is_open and bar.closes and bar.opens):
            result[point] = bars[point] = bars[point]._replace(opens=True)
        if is_open and bar.opens and not bar.closes:
            result[place] = bars[place] = bar._replace(closes=True)
        has_endings = has_endings or bool(bar.endings)
        is_open = bar.opens or (is_open and not bar.closes)
        if not bar.opens and (bar.closes or bar.is_double):
            point = place
    return result


def _repeated(events: Sequence[Event]) -> Iterator[Event]:
    """Yield events with their repeats played out; each ending is passed over but in its turn."""
    place, back, turn, last_turn, is_open = 0, 0, 1, 2, False
    while place < len(events):
        event = events[place]
        yield event
        if isinstance(event, Bar) and event.endings:
            if turn not in event.endings:
                place = _end_of_ending(events, place)
            elif last_turn < MAX_TURNS:
                last_turn = turn + 1
        elif isinstance(event, Bar) and event.closes and _turns_back(event, turn, last_turn, is_open=is_open):
            is_open, turn, place = event.opens, turn + 1, back
        elif isinstance(event, Bar) and event.opens:
            back, turn, last_turn, is_open = place, 1, 2, True
        place += 1


def _turns_back(bar: Bar, turn: int, last_turn: int, *, is_open: bool) -> bool:
    return is_open if turn == 1 else turn < last_turn and not bar.opens


def _end_of_ending(events: Sequence[Event], place: int) -> int:
    """Return the place of the sign behind an ending: a closed or an opened repeat, a double bar or another ending."""
    for later in range(place + 1, len(events)):
        event = events[later]
        if isinstance(event, Bar) and (event.endings or event.closes != event.opens or event.is_double):
            return later
    return len(events)


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
