"""Subjects: the path of who works under a customer, and the patterns that name many."""

from __future__ import annotations

from functools import lru_cache

WHOLE_WALLET = ""
_REMEMBERED = 100_000


@lru_cache(maxsize=_REMEMBERED)
def prefixes(subject: str | None) -> tuple[str, ...]:
    """Return every prefix of whole segments, the whole wallet first, the subject last.

    "a/b" gives "", "a", "a/b"; an event without a subject the whole wallet alone.
    """
    if not subject:
        return (WHOLE_WALLET,)
    segments = subject.split("/")
    return (WHOLE_WALLET, *("/".join(segments[: n + 1]) for n in range(len(segments))))


@lru_cache(maxsize=_REMEMBERED)
def matches(pattern: str, subject: str) -> bool:
    """Whether `subject` is one that the pattern names; `*` is any characters but "/"."""
    globs, segments = pattern.split("/"), subject.split("/")
    return len(globs) == len(segments) and all(map(_segment_matches, globs, segments))


def _segment_matches(glob: str, text: str) -> bool:
    """Linear in both: what stands between two stars is taken where it is first found."""
    first, *rest = glob.split("*")
    if not rest:
        return glob == text
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first):
        return False
    if not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
