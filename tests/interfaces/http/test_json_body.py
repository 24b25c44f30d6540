"""JSON at the door: what parsers disagree on, or choke on, is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from interfaces.http.json_body import MOST_NESTED, AsSent, NotAcceptable, decode

ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def told(octets: bytes) -> str:
    with pytest.raises(NotAcceptable) as refusal:
        decode(octets, ANYTHING)
    return str(refusal.value)


def test_json_is_decoded() -> None:
    octets = '{"name": "Ωmega \\"quoted\\" \\n", "numbers": [1, 2.5, null, true]}'.encode()

    assert decode(octets, ANYTHING) == {
        "name": 'Ωmega "quoted" \n',
        "numbers": [1, 2.5, None, True],
    }


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"{} {}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 01}',
        b'{"a": "\x01"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_refused(octets: bytes) -> None:
    assert told(octets).startswith("it is not valid JSON")


@pytest.mark.parametrize("octets", [b'{"a": "\xff"}', b'{"\xed\xa0\x80": 1}', b'"\xc0\xaf"'])
def test_what_is_no_utf_8_is_refused(octets: bytes) -> None:
    assert told(octets) == "it is not valid UTF-8"


def test_numbers_without_end_are_refused() -> None:
    assert "out of range" in told(b"9" * 5_000)
    assert "out of range" in told(b"1e999")


@pytest.mark.parametrize(
    "octets",
    [
        b'{"amount": "1", "amount": "2"}',
        b'{"a": [{"b": 1, "c": {}, "b": 1}]}',
        b'{"a": 1, "\\u0061": 2}',
    ],
)
def test_a_key_that_stands_twice_is_refused(octets: bytes) -> None:
    assert told(octets) == "a key stands twice in one object"


class Sent(AsSent):
    name: str
    of: str = "none"
    kept: bool = False
    anything: Any = None


SENT = msgspec.json.Decoder(Sent, float_hook=Decimal)


@pytest.mark.parametrize(
    "octets",
    [
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "of": "none", "of": "none"}',
        b'{"name": "a", "kept": false, "kept": false}',
        b'{"name": "a", "anything": {"b": 1, "c": 2, "b": 1}}',
        # An escape is no colon, and comes back as one.
        b'{"name": "\\u003a", "name": "\\u003a"}',
        b'{"name": "a", "anything": {"b": "\\u003a", "c": 1, "c": 2}}',
        # What a struct does not know is not decoded.
        b'{"name": "a", "other": 1, "other": 1}',
    ],
)
def test_a_key_that_stands_twice_among_known_fields_is_refused(octets: bytes) -> None:
    with pytest.raises(NotAcceptable, match="a key stands twice in one object"):
        decode(octets, SENT)


@pytest.mark.parametrize(
    "octets, expected",
    [
        (b'{"name": "a"}', Sent("a")),
        (b'{"name" : "a:b", "kept":true}', Sent("a:b", kept=True)),
        (b'{"name": "a", "of": "none", "kept": false}', Sent("a")),
        (b'{"name": "a", "other": {"b": 1}}', Sent("a")),
        (b'{"name": "\\u003a"}', Sent(":")),
        (
            b'{"name": "a", "anything": {"b:c": [{"d": 1.50}, {"d": 123456789012345678901}]}}',
            Sent("a", anything={"b:c": [{"d": Decimal("1.50")}, {"d": 123456789012345678901}]}),
        ),
    ],
)
def test_known_fields_are_decoded(octets: bytes, expected: Sent) -> None:
    assert decode(octets, SENT) == expected


@pytest.mark.parametrize("levels", [MOST_NESTED + 1, 500, 100_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    assert told(b"[" * levels + b"]" * levels) == "it is nested more than 64 levels deep"


def test_nesting_up_to_the_limit_passes() -> None:
    decode(b"[" * MOST_NESTED + b"]" * MOST_NESTED, ANYTHING)


def test_brackets_in_texts_are_no_nesting() -> None:
    octets = b'["' + b"[" * 200 + b'\\"[[[\\\\", "' + b"{" * 200 + b'"]'

    assert decode(octets, ANYTHING) == ["[" * 200 + '"[[[\\', "{" * 200]


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    assert decode(b"[" + b"[],{}," * 1_000 + b"[]]", ANYTHING)[-1] == []


def test_another_shape_is_refused_by_its_path() -> None:
    class Shape(msgspec.Struct):
        query: str

    decoder = msgspec.json.Decoder(Shape)

    with pytest.raises(NotAcceptable, match=r"Expected `str`, got `int` - at `\$.query`"):
        decode(b'{"query": 1}', decoder)
    with pytest.raises(NotAcceptable, match="Expected `object`, got `null`"):
        decode(b"null", decoder)
