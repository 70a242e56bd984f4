"""What names in a graph stand for: a picture, a video, or an address in the network."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

PICTURES = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp")
"""How names of pictures end; a GIF is a video where there may be videos."""

VIDEOS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv", ".flv", ".gif")
"""How names of videos end."""

_READ = ("http:", "https:")
_OTHERS = ("ftp:", "ftps:", "sftp:", "file:", "data:", "s3:", "gs:")
_BESIDE = "save it beside the graph, and write its file name"


class Fault(NamedTuple):
    """Why an address cannot be read, and what to write instead."""

    message: str
    hint: str


def is_video(name: str) -> bool:
    """True if a file's name is that of a video."""
    return name.lower().endswith(VIDEOS)


def is_file(name: str) -> bool:
    """True if a name ends like that of a picture or a video."""
    return name.lower().endswith((*PICTURES, *VIDEOS))


def is_address(name: str) -> bool:
    """True for what lies in a network, and not in a folder."""
    return name.lower().startswith((*_READ, *_OTHERS))


def address_fault(address: str) -> Fault | None:
    """What is wrong with the address of a picture, or None; the network is not asked."""
    if not address.lower().startswith(_READ):
        return Fault(f"'{address}' is not an http or https address", _BESIDE)
    if any(character.isspace() or not character.isprintable() for character in address):
        return Fault(f"the address '{address}' has a space in it", "write %20 for a space")
    try:
        parts = urlsplit(address)
        host = parts.hostname
        host = host if host is None or (parts.port or 80) > 0 else None
    except ValueError:
        parts, host = None, None
    if parts is None or not host or not address[len(parts.scheme) :].startswith("://"):
        return Fault(
            f"'{address}' is not a whole address", "write it as your browser shows it: https://host/picture.png"
        )
    if is_video(parts.path) and not parts.path.lower().endswith(".gif"):
        return Fault("videos are not read from the network", _BESIDE)
    return None
