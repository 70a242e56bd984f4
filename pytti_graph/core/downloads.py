"""Files that a node needs from the network, known before anything is fetched."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import tempfile
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytti_graph.core.errors import MissingError
from pytti_graph.core.injected import Files

_ATTRIBUTE = "__pytti_graph_downloads__"
_BLOCK = 1 << 20
_TIMEOUT = 30.0
_Made = TypeVar("_Made", bound=Callable[..., Any])


class Download(Protocol):
    """A file that can be fetched once and is then found in a cache."""

    @property
    def source(self) -> str:
        """Where it comes from, as shown to users."""
        ...

    @property
    def destination(self) -> Path:
        """The folder where it is kept."""
        ...

    def cached(self) -> Path | None:
        """Where it is, if it has been fetched; never touches the network."""
        ...

    def size(self) -> int | None:
        """Its size in bytes, asked of the network, or None if unknown; raises OSError."""
        ...

    def fetch(self) -> Path:
        """Fetch it, unless it is there; raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a Hugging Face repository, in the cache that all programs share.

    Attributes:
        repository: As "owner/name".
        names: Names it may have, the best first.
    """

    repository: str
    names: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where it comes from, as shown to users."""
        return f"https://huggingface.co/{self.repository} ({' or '.join(self.names)})"

    @property
    def destination(self) -> Path:
        """The folder where it is kept."""
        from huggingface_hub.constants import HF_HUB_CACHE

        return Path(HF_HUB_CACHE)

    def cached(self) -> Path | None:
        """Where it is, if it has been fetched; never touches the network."""
        from huggingface_hub import try_to_load_from_cache

        found = (try_to_load_from_cache(self.repository, name) for name in self.names)
        return next((Path(path) for path in found if isinstance(path, str)), None)

    def size(self) -> int | None:
        """Its size in bytes, asked of the network, or None if unknown; raises OSError."""
        return self._found()[1]

    def fetch(self) -> Path:
        """Fetch it, unless it is there; raises OSError."""
        from huggingface_hub import hf_hub_download

        if (found := self.cached()) is not None:
            return found
        name, _ = self._found()
        try:
            return Path(hf_hub_download(self.repository, name))
        except Exception as error:  # the hub's library lets those of its HTTP library through
            raise OSError(f"{type(error).__name__}: {error}") from error

    def _found(self) -> tuple[str, int | None]:
        """The first name that the repository has, and the file's size."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError

        for name in self.names:
            try:
                return name, get_hf_file_metadata(hf_hub_url(self.repository, name)).size
            except EntryNotFoundError:
                continue
            except Exception as error:  # the hub's library lets those of its HTTP library through
                raise OSError(f"{type(error).__name__}: {error}") from error
        raise OSError(f"{self.repository} has no {' or '.join(self.names)}")


@dataclass(frozen=True, slots=True)
class HubFolder:
    """Files of a Hugging Face repository that belong together, in the cache that all programs share.

    Attributes:
        repository: As "owner/name".
        title: What they are together, as shown to users.
        needed: Names, in groups: of each group at least one file has to be there.
        others: Names of files that are fetched too if the repository has them.
    """

    repository: str
    title: str
    needed: tuple[tuple[str, ...], ...]
    others: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All names that its files may have."""
        return list(dict.fromkeys(name for group in (*self.needed, self.others) for name in group))

    @property
    def source(self) -> str:
        """Where it comes from, as shown to users."""
        return f"https://huggingface.co/{self.repository} ({self.title})"

    @property
    def destination(self) -> Path:
        """The folder where it is kept."""
        return HubFile(self.repository, ()).destination

    def cached(self) -> Path | None:
        """The folder that holds all that is needed, if it has been fetched; never touches the network."""
        found = [HubFile(self.repository, group).cached() for group in self.needed]
        folders = {None if path is None else path.parent for path in found}
        return folders.pop() if len(folders) == 1 else None

    def size(self) -> int | None:
        """Its size in bytes, asked of the network; raises OSError."""
        from huggingface_hub import HfApi

        try:
            found = HfApi().get_paths_info(self.repository, self.names)
        except Exception as error:  # the hub's library lets those of its HTTP library through
            raise OSError(f"{type(error).__name__}: {error}") from error
        return sum(getattr(file, "size", 0) for file in found)

    def fetch(self) -> Path:
        """Fetch it, unless it is there; raises OSError."""
        from huggingface_hub import snapshot_download

        if (found := self.cached()) is not None:
            return found
        try:
            snapshot_download(self.repository, allow_patterns=self.names)
        except Exception as error:  # the hub's library lets those of its HTTP library through
            raise OSError(f"{type(error).__name__}: {error}") from error
        if (found := self.cached()) is None:
            raise OSError(f"{self.repository} lacks one of {', '.join(' or '.join(group) for group in self.needed)}")
        return found


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file at an address.

    Attributes:
        address: https only.
        destination: The folder where it is kept.
        sha256: What its sha256 sum begins with, or empty if it is not known.
    """

    address: str
    destination: Path
    sha256: str = ""

    @property
    def source(self) -> str:
        """Where it comes from, as shown to users."""
        return self.address

    def cached(self) -> Path | None:
        """Where it is, if it has been fetched; never touches the network."""
        path = self.destination / self.address.rpartition("/")[2]
        return path if path.is_file() else None

    def size(self) -> int | None:
        """Its size in bytes, asked of the network, or None if unknown; raises OSError."""
        request = urllib.request.Request(self._checked(), method="HEAD")
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
        return int(length) if length else None

    def fetch(self) -> Path:
        """Fetch it, unless it is there, and check its sum; raises OSError."""
        if (found := self.cached()) is not None:
            return found
        self.destination.mkdir(parents=True, exist_ok=True)
        path = self.destination / self.address.rpartition("/")[2]
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.destination)
        try:
            with os.fdopen(handle, "wb") as file:
                self._copy(file.write)
            return Path(temporary).replace(path)
        finally:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)

    def _copy(self, write: Callable[[bytes], object]) -> None:
        digest = hashlib.sha256()
        with urllib.request.urlopen(self._checked(), timeout=_TIMEOUT) as answer:
            while block := answer.read(_BLOCK):
                digest.update(block)
                write(block)
        if not digest.hexdigest().startswith(self.sha256):
            raise OSError(f"{self.address} is not the file expected: its sha256 sum is {digest.hexdigest()}")

    def _checked(self) -> str:
        if not self.address.startswith("https://"):
            raise OSError(f"{self.address} is not an https address")
        return self.address


def found_or_fetched(download: Download, files: Files, what: str, argument: str, otherwise: str) -> Path:
    """Where a file is, fetched first if it has to be and may be.

    Args:
        download: The file.
        files: Says whether the network may be used.
        what: What is in it, as shown to users.
        argument: The node's argument that asks for it.
        otherwise: What a user can write instead.

    Raises:
        MissingError: It is not on this machine, and may not or cannot be fetched.
    """
    if (path := download.cached()) is not None:
        return path
    if not files.network:
        message = f"{what} cannot be found on this machine: looked for {download.source} in {download.destination}"
        hint = f"run 'pytti-graph fetch GRAPH' once, or add --allow-network, or {otherwise}"
        raise MissingError(message, argument=argument, hint=hint)
    try:
        return download.fetch()
    except OSError as error:
        message = f"{what} cannot be fetched from {download.source}: {error}"
        raise MissingError(message, argument=argument, hint=otherwise) from error


def downloads(list_them: Callable[..., Sequence[Download]]) -> Callable[[_Made], _Made]:
    """Say which files a node needs from the network, for `pytti-graph fetch`.

    Args:
        list_them: Takes some of the node's arguments, by name, and returns the files; it must not touch the network.
    """

    def decorate(made: _Made) -> _Made:
        setattr(made, _ATTRIBUTE, list_them)
        return made

    return decorate


def downloads_of(made: object, arguments: Mapping[str, Any]) -> list[Download]:
    """The files that a node needs from the network.

    Args:
        made: The node's function or class.
        arguments: Its arguments, given or default, that are known before rendering.
    """
    list_them = getattr(made, _ATTRIBUTE, None)
    if list_them is None:
        return []
    return list(list_them(**{name: arguments[name] for name in inspect.signature(list_them).parameters}))
