"""Corpus: the record of one corpus, and of the files that make it up. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """One file of a corpus that comes by network."""

    file: str
    """What it is called here."""
    addresses: tuple[str, ...]
    """The first and its mirrors, in the order in which they are tried; none if it can be had by hand only."""
    checksum: str = ""
    """"sha256:...", "md5:..." or "git:..." (the SHA-1 of a git blob); "" where none is known."""
    bytes: int | None = None
    """None where the exact size is not known."""


def github_file(repository: str, commit: str, path: str, checksum: str, size: int | None = None) -> Download:
    """Describe a file of a commit: it is the same for ever, at GitHub itself and at a public mirror."""
    addresses = (
        f"https://raw.githubusercontent.com/{repository}/{commit}/{path}",
        f"https://cdn.jsdelivr.net/gh/{repository}@{commit}/{path}",
    )
    return Download(path.rpartition("/")[2], addresses, checksum, size)


def github_archive(repository: str, commit: str) -> Download:
    """Describe a whole commit: GitHub packs it on demand, so that its bytes, and with them a checksum, may change."""
    return Download(f"{commit}.tar.gz", (f"https://github.com/{repository}/archive/{commit}.tar.gz",))


@dataclass(frozen=True)
class Corpus:
    """One corpus."""

    name: str
    title: str
    format: str
    """Of its files: "midi", "musicxml", "kern", "abc", or "json" for voices by sixteenths."""
    pieces: int | None
    """That are kept after reading. For what comes by network the number that
    its makers name, roughly; None where none is known."""
    bytes: int | None
    """Size of its files as they are kept on disk; None where it is not known."""
    licence: str
    citation: str
    representation: str
    """Name of the representation that suits it best."""
    patterns: tuple[str, ...] = ("**/*",)
    """Globs of its files inside music21's collection, or inside what its downloads unpack to."""
    downloads: tuple[Download, ...] = ()
    """Its files on the network; none for what comes with music21."""
    by_hand: str = ""
    """Where a person gets it, if no program can or may."""
    split: str | None = None
    """JSON file beside this module with the names of the pieces for validation and test; all others train."""
    voices: tuple[str, str, str, str] | None = None
    """If given, only pieces with exactly these parts in this order are kept."""
    header: str = ""
    """If given, the fields that are kept of the headers of its ABC tunes."""
