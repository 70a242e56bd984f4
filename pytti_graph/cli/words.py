"""Numbers as people say them."""

from __future__ import annotations

from collections.abc import Iterable

_SIZES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def count(number: int, word: str) -> str:
    """A number of things: "1 frame", "1,200 steps"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def size(number: float) -> str:
    """Bytes: "1.3 GB"."""
    for unit, name in _SIZES:
        if number >= unit:
            amount = number / unit
            return f"{amount:.1f} {name}" if amount < 10 else f"{amount:,.0f} {name}"
    return count(int(number), "byte")


def clock(seconds: float) -> str:
    """Minutes and seconds: "3:05", "1:02:09"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def about(seconds: float) -> str:
    """An estimate: "about 40 seconds", "about 3.5 hours"."""
    if seconds < 1:
        return "about a second"
    for limit, unit, word in ((90, 1, "second"), (5400, 60, "minute"), (172_800, 3600, "hour")):
        if seconds < limit:
            return f"about {_rounded(seconds / unit, word)}"
    return f"about {_rounded(seconds / 86_400, 'day')}"


def _rounded(number: float, word: str) -> str:
    if word in ("hour", "day") and number < 9.5:
        text = f"{round(number * 2) / 2:g}"
        return f"{text} {word}" if text == "1" else f"{text} {word}s"
    return count(max(1, round(number)), word)


def took(seconds: float) -> str:
    """A time that has passed: "2.4 seconds", "3:05 minutes"."""
    if seconds < 9.95:
        return f"{seconds:.1f} seconds"
    if seconds < 99.5:
        return f"{seconds:.0f} seconds"
    return f"{clock(seconds)} {'hours' if seconds >= 3600 else 'minutes'}"


def listed(words: Iterable[str]) -> str:
    """Words in a row: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
