"""Download: the only network code. It trusts neither the line nor the server.

What has come lies in a part file until its length and checksum are right, so a broken download goes on where it stopped
and nothing half done ever has the name of the whole.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from midigen.errors import SourceError

TIMEOUT_SECONDS = 30.0
TRIES = 3
BACK_OFF_SECONDS = 1.0
"""Before the second try; twice as long before the third."""
MIN_RATE = 100
"""Bytes a second: a server that sends less over TIMEOUT_SECONDS counts as silent."""
MAX_BYTES = 4 << 30
"""Where the size is not known beforehand."""

_CHUNK = 1 << 16
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_HTML = (b"<!doctype html", b"<html")
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _RetryError(Exception):
    """Something that the next try may mend."""


_PASSING = (
    _RetryError,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
    http.client.HTTPException,
    urllib.error.URLError,
    ValueError,  # an address that is none
)


def download(
    addresses: Sequence[str], target: Path, checksum: str, size: int | None, progress: Callable[[int, int], None]
) -> str:
    """Fetch one file from the first of its addresses that gives it.

    Args:
        addresses: https; http only on loopback or with a checksum.
        target: where the file is to lie; its folder exists. The part file lies beside it.
        checksum: "sha256:...", "md5:..." or "git:..." (the SHA-1 of a git blob) in hexadecimal; "" if none is known.
        size: in bytes, or None if it is not known.
        progress: called with the bytes that are there and those of the whole file.

    Returns:
        The sha256 of the file.

    Raises:
        SourceError: no address gave the file; the sentence says why for each. What has come so far is kept if it may
            be the beginning of the file.
    """
    problems = []
    for address in addresses:
        part = target.with_name(hashlib.sha256(f"{address} {checksum}".encode()).hexdigest()[:16] + ".part")
        try:
            _fetch(address, part, checksum, size, progress)
            verify(part, checksum, size)
        except SourceError as error:
            problems.append(f"{address.partition('://')[2].partition('/')[0] or address}: {error}")
            continue
        os.replace(part, target)  # noqa: PTH105
        _validator_file(part).unlink(missing_ok=True)
        return file_digest(target, "sha256")
    raise SourceError(f"{target.name} cannot be downloaded ({'; '.join(dict.fromkeys(problems))})", file=target.name)


def verify(path: Path, checksum: str, size: int | None) -> None:
    """Check a file that came from elsewhere; a part file that is wrong is deleted, for nothing can come of it.

    Raises:
        SourceError: it is a web page, or its length or checksum is not the one that is known.
    """
    problem = None
    found = path.stat().st_size
    with path.open("rb") as stream:
        is_page = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML)
    if is_page:
        problem = "what came is a web page, not the file"
    elif size is not None and found != size:
        problem = f"the file has {found:,} bytes and should have {size:,}"
    elif checksum:
        kind, _, expected = checksum.partition(":")
        digest = file_digest(path, kind)
        if digest != expected:
            problem = f"the file's {kind} is {digest} and should be {expected}: it was changed or damaged"
    if problem is not None:
        if path.suffix == ".part":
            _forget(path)
        raise SourceError(problem, file=path)


def file_digest(path: Path, kind: str) -> str:
    """Return the "sha256", "md5" or "git" (SHA-1 of a git blob) of a file in hexadecimal."""
    with path.open("rb") as stream:
        if kind != "git":
            return hashlib.file_digest(stream, kind).hexdigest()
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


def require_safe(address: str, checksum: str, before: str = "") -> None:
    """Raise a SourceError for an address that is not to be opened, ``before`` being the one that led there."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SourceError(f"{address} is no web address: {error}", file=address) from error
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or not parts.hostname:
        raise SourceError(f"{address} is no web address of the kind https://...", file=address)
    if before.startswith("https:"):
        raise SourceError(f"it leads from https to http ({address}), which is not followed", file=address)
    if not checksum and parts.hostname not in _LOOPBACK:
        raise SourceError(f"{address} is plain http, which is taken only with a known checksum", file=address)


def _fetch(address: str, part: Path, checksum: str, size: int | None, progress: Callable[[int, int], None]) -> None:
    """Bring the part file to its full length, in a few tries."""
    require_safe(address, checksum)
    for attempt in range(TRIES):
        if attempt:
            time.sleep(BACK_OFF_SECONDS * 2 ** (attempt - 1))
        try:
            _try_once(address, part, checksum, size, progress)
        except _PASSING as error:
            reason = _reason(error)
            is_refused = isinstance(error, urllib.error.HTTPError) and error.code not in _TRANSIENT
            if is_refused or isinstance(error, ValueError | http.client.InvalidURL) or attempt == TRIES - 1:
                raise SourceError(reason, file=address) from error
        else:
            return


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    if isinstance(error, TimeoutError):
        return "the server is silent"
    if isinstance(error, urllib.error.URLError):
        return _reason(error.reason) if isinstance(error.reason, Exception) else str(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows only where ``require_safe`` lets it."""

    def __init__(self, checksum: str) -> None:
        self._checksum = checksum

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Make the next request, or refuse it."""
        require_safe(newurl, self._checksum, before=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _try_once(address: str, part: Path, checksum: str, size: int | None, progress: Callable[[int, int], None]) -> None:
    """Ask once for what is missing, and add it to the part file."""
    headers = {"User-Agent": "midigen", "Accept-Encoding": "identity"}
    have = part.stat().st_size if part.exists() else 0
    validator = _validator_file(part).read_text("utf-8") if have and _validator_file(part).exists() else ""
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    else:
        have = 0
    opener = urllib.request.build_opener(_Redirects(checksum))
    try:
        response = opener.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            _require_whole(error.headers.get("Content-Range", ""), part, checksum, size)
            return
    with response:
        total = _total(response, part, have)
        if response.headers.get_content_type() == "text/html":
            raise SourceError("what came is a web page, not the file", file=address)
        if None not in {total, size} and total != size:
            raise SourceError(f"the server offers {total:,} bytes instead of {size:,}: the file was changed there")
        if response.status != http.client.PARTIAL_CONTENT:
            have = 0
            _forget(part)
            _validator_file(part).write_text(_validator(response.headers), "utf-8")
        _copy(response, part, have, size or total, progress)
    if total is not None and part.stat().st_size < total:
        raise _RetryError("the connection broke")


def _require_whole(content_range: str, part: Path, checksum: str, size: int | None) -> None:
    """Accept a part file beyond which the server has nothing (416) if it is the whole file, or start anew."""
    with suppress(SourceError):
        verify(part, checksum, size)
        if checksum or content_range == f"bytes */{part.stat().st_size}":
            return
    _forget(part)
    raise _RetryError("the server has no more of it, and what came is not the whole file")


def _total(response: http.client.HTTPResponse, part: Path, have: int) -> int | None:
    """Return the length of the whole file as the server gives it; a 206 must go on where the part file ends."""
    if response.status != http.client.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if span.partition("-")[0] != str(have):
        _forget(part)
        raise _RetryError("the server sends another range than was asked for")
    return int(total) if total.isdecimal() else None


def _validator(headers: http.client.HTTPMessage) -> str:
    """Return what If-Range may name: a strong etag, or else the date."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _copy(
    response: http.client.HTTPResponse,
    part: Path,
    have: int,
    total: int | None,
    progress: Callable[[int, int], None],
) -> None:
    limit = MAX_BYTES if total is None else min(total, MAX_BYTES)
    since, came = time.monotonic(), 0
    with part.open("ab") as output:
        while chunk := response.read1(_CHUNK):
            have, came = have + len(chunk), came + len(chunk)
            if have > limit:
                raise SourceError(f"the server sends more than {limit:,} bytes", file=part)
            output.write(chunk)
            progress(have, total or 0)
            elapsed = time.monotonic() - since
            if elapsed > TIMEOUT_SECONDS:
                if came < MIN_RATE * elapsed:
                    raise TimeoutError
                since, came = time.monotonic(), 0


def _validator_file(part: Path) -> Path:
    return part.with_suffix(".validator")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)
