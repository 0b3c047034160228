"""Writes a source text in which mutants sleep until the run-time switch wakes one of them.

What is planted is a place of the text: `begin`, `end` (bytes), `name`, `kind`. Places may lie one
inside the other: where the outer one is awake the original text stands, so only one is ever awake.
"""
import hashlib

SWITCH = "scoutfs_mutant({})"
NUMBER_END = 1 << 22  # as in mutant_switch.hpp


def number_of(name: str) -> int:
    """The number that wakes the mutant; the same whatever else is planted."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % NUMBER_END


class Node:
    """A place and the places that lie inside it."""

    def __init__(self, place):
        self.place = place
        self.inside = []


def order(place) -> tuple:
    """Outer ones first. Of two at one place the exchanged operator is inside: it knows its own
    operands only."""
    return place.begin, -place.end, bool(place.parts), place.name


def nest(places: list) -> list:
    """The places as a forest; outer ones first."""
    forest, stack = [], []
    for place in sorted(places, key=order):
        node = Node(place)
        while stack and stack[-1].place.end <= place.begin:
            stack.pop()
        if stack and place.end > stack[-1].place.end:
            raise ValueError(f"{place.name} and {stack[-1].place.name} cross")
        (stack[-1].inside if stack else forest).append(node)
        stack.append(node)
    return forest


def render(text: bytes, begin: int, end: int, nodes: list) -> bytes:
    """text[begin:end] with what is planted in it."""
    out, at = [], begin
    for node in nodes:
        if node.place.begin < begin or node.place.end > end:
            continue
        out.append(text[at:node.place.begin])
        out.append(planted(text, node))
        at = node.place.end
    out.append(text[at:end])
    return b"".join(out)


def planted(text: bytes, node: Node) -> bytes:
    """The place's text with its mutant beside it."""
    place = node.place
    switch = SWITCH.format(number_of(place.name)).encode()
    if place.kind == "by hand":
        return place.put.encode().replace(b"PLANTED", SWITCH.format(
            number_of(place.bug)).encode())
    if place.parts:
        (left_begin, left_end), (right_begin, right_end) = place.parts
        operator = text[left_end:right_begin]
        left = render(text, left_begin, left_end, node.inside)
        right = render(text, right_begin, right_end, node.inside)
        broken = b"%b %b %b" % (text[left_begin:left_end], place.exchanged.encode(),
                                text[right_begin:right_end])
        return b"(%b ? (%b) : (%b%b%b))" % (switch, broken, left, operator, right)
    whole = render(text, place.begin, place.end, node.inside)
    return {"always": b"(%b || (%b))" % (switch, whole),
            "never": b"(!%b && (%b))" % (switch, whole),
            "left out": b"if (!%b) %b" % (switch, whole),
            "boolean": b"(%b != %b)" % (whole, switch),
            "off-by-one": b"(%b + (%b ? 1 : 0))" % (whole, switch)}[place.kind]


def plant(text: bytes, places: list) -> bytes:
    """The whole file with its mutants."""
    return render(text, 0, len(text), nest(places))


def fits(point, by_hand: list) -> bool:
    """Can the point be planted beside what is planted by hand in its file?"""
    for place in by_hand:
        if place.end <= point.begin or point.end <= place.begin:
            continue
        if place.begin <= point.begin and point.end <= place.end:
            return False  # what is written by hand holds no other mutant
        parts = point.parts or ((point.begin, point.end),)
        if not any(begin <= place.begin and place.end <= end for begin, end in parts):
            return False
    return True
