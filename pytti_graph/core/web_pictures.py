"""Pictures from the network: fetched once, if it is allowed, and found in a cache from then on."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import platformdirs

from pytti_graph.core.addresses import Fault, address_fault
from pytti_graph.core.errors import UsageError

LARGEST = 100_000_000
"""Bytes of a picture's file: what is larger is not fetched."""

_BLOCK = 1 << 16
_TIMEOUT = 30.0
"""Seconds until an answer, or its next part, must be there."""
_LONGEST = 600.0
"""Seconds that a picture may take in all."""
_NO_HEAD = (403, 405, 501)
"""What servers answer that do not tell sizes."""
_MOVED = (301, 302, 303, 307, 308)
_JUMPS = 6
_KEPT = "%/:?#[]@!$&'()*+,;=~"


def not_fetched(address: str) -> Fault:
    """What to tell of a picture that would have to be fetched, but may not be."""
    hint = "run 'pytti-graph fetch GRAPH' once, or add --allow-network"
    return Fault(f"the picture {address} has not been fetched, and the network is not allowed", hint)


@dataclass(frozen=True, slots=True)
class WebPicture:
    """A picture at an http or https address, kept in the user's cache folder by its address.

    Attributes:
        address: As the graph says it; `address_fault` finds nothing wrong with it.
    """

    address: str

    @property
    def source(self) -> str:
        """Where it comes from, as shown to users."""
        return self.address

    @property
    def destination(self) -> Path:
        """The folder where it is kept."""
        return Path(platformdirs.user_cache_dir("pytti-graph")) / "pictures"

    def cached(self) -> Path | None:
        """Where it is, if it has been fetched; never touches the network."""
        return self._path if self._path.is_file() else None

    def size(self) -> int | None:
        """Its size in bytes, asked of the network, or None if unknown; raises OSError."""
        try:
            with _asked(self.address, "HEAD") as answer:
                return _length(answer)
        except HTTPError as error:
            if error.code in _NO_HEAD:
                return None
            raise

    def fetch(self) -> Path:
        """Fetch it, unless it is there, and see that it is a picture; raises OSError."""
        if (found := self.cached()) is not None:
            return found
        self.destination.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self.destination)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, _asked(self.address, "GET") as answer:
                _copy(answer, file.write)
            _check(temporary)
            return temporary.replace(self._path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.destination / hashlib.sha256(self.address.encode()).hexdigest()[:40]


@contextlib.contextmanager
def _asked(address: str, method: str) -> Iterator[Any]:
    """The answer to a request; whatever goes wrong is an OSError that says so in few words."""
    try:
        with _answer(address, method) as answer:
            yield answer
    except HTTPError:
        raise
    except URLError as error:
        raise OSError(str(error.reason)) from error
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _answer(address: str, method: str) -> Any:
    """The answer, wherever the address leads; it never leads to what a graph could not name."""
    headers = {"User-Agent": "pytti-graph", "Accept": "image/*, */*;q=0.5"}
    opener = _opener()
    for _ in range(_JUMPS):
        try:
            return opener.open(
                urllib.request.Request(_encoded(address), headers=headers, method=method), timeout=_TIMEOUT
            )
        except HTTPError as error:
            location = error.headers.get("Location")
            if error.code not in _MOVED or not location:
                raise
            error.close()
            address = urljoin(address, location)
        if (fault := address_fault(address)) is not None:
            raise OSError(f"it leads elsewhere, and {fault.message}")
    raise OSError("it leads from one address to another without end")


def _opener() -> urllib.request.OpenerDirector:
    """Knows http and https only, and lets us look at each address before it goes there."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _encoded(address: str) -> str:
    """An address as it is sent: in ASCII, without what follows '#'."""
    parts = urlsplit(address)
    host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    return urlunsplit((parts.scheme, host, quote(parts.path or "/", _KEPT), quote(parts.query, _KEPT), ""))


def _length(answer: Any) -> int | None:
    text = answer.headers.get("Content-Length")
    return int(text) if text and text.isdecimal() else None


def _copy(answer: Any, write: Callable[[bytes], object]) -> None:
    """All of an answer, if it is whole and not too large."""
    expected, got, end = _length(answer), 0, time.monotonic() + _LONGEST
    _refuse_giants(expected or 0)
    while block := answer.read1(_BLOCK):
        got += len(block)
        _refuse_giants(got)
        if time.monotonic() > end:
            raise OSError(f"it takes longer than {_LONGEST:.0f} seconds")
        write(block)
    if expected is not None and got != expected:
        raise OSError(f"it ended after {got} of {expected} bytes")


def _refuse_giants(size: int) -> None:
    if size > LARGEST:
        raise OSError(f"it is larger than {LARGEST // 1_000_000} MB")


def _check(path: Path) -> None:
    from pytti_graph.core.picture_files import opened

    try:
        opened(path)
    except UsageError as error:
        raise OSError(error.problem.message.replace(str(path), "it")) from None
