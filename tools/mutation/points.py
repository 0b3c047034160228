"""Where a source file can be broken: mutation points, found with libclang.

A point is one small change inside one function: an operator exchanged, a condition that always or
never holds, a statement left out, a constant that is off by one. Its `name` says where it is
without line numbers, so that it stays the same while other functions change.
"""
import dataclasses
import pathlib
import shlex

from clang import cindex

cindex.Config.set_library_file("/usr/lib/llvm-19/lib/libclang-19.so.1")

KIND = cindex.CursorKind

EXCHANGED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
             "&&": "||", "||": "&&", "+": "-", "-": "+"}
FUNCTIONS = {KIND.FUNCTION_DECL, KIND.CXX_METHOD, KIND.CONSTRUCTOR, KIND.DESTRUCTOR,
             KIND.CONVERSION_FUNCTION, KIND.FUNCTION_TEMPLATE}
# A constant expression cannot ask which mutant is active.
CONSTANT = {KIND.STATIC_ASSERT, KIND.CASE_STMT, KIND.ENUM_CONSTANT_DECL, KIND.TYPE_ALIAS_DECL}
# Nothing of what only tells people is worth a mutant.
TOLD = ("log", "SCOUTFS_", "fmt::", "tell(")
# Of binary shape for libclang; which operator it is the text between the operands says.
BINARY = {KIND.BINARY_OPERATOR, KIND.CALL_EXPR, KIND.UNEXPOSED_EXPR}
STATEMENTS = {KIND.CALL_EXPR, KIND.UNEXPOSED_EXPR, KIND.BINARY_OPERATOR, KIND.UNARY_OPERATOR,
              KIND.COMPOUND_ASSIGNMENT_OPERATOR}


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    """One place; offsets in bytes. `parts` are the operands of a binary operator."""
    file: str
    begin: int
    end: int
    name: str
    kind: str
    parts: tuple = ()
    exchanged: str = ""


class Finder:
    """Collects the points of one translation unit that lie in files of `rooms`."""

    def __init__(self, root: pathlib.Path, rooms: list):
        self.root, self.rooms = root, rooms
        self.points = {}
        self.texts = {}
        self.macros = set()

    def parse(self, entry: dict):
        arguments = [word for word in shlex.split(entry["command"]) if word != "-Werror"]
        at = arguments.index("-o")
        compiler_at = next(i for i, word in enumerate(arguments) if "clang" in word)
        flags = arguments[compiler_at + 1:at]
        unit = cindex.Index.create().parse(
            entry["file"], args=flags,
            options=cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        fatal = [note for note in unit.diagnostics if note.severity >= 3]
        if fatal:
            raise SystemExit(f"{entry['file']}: {fatal[0]}")
        self.functions = {}
        for cursor in unit.cursor.get_children():
            if cursor.kind == KIND.MACRO_INSTANTIATION and self._wanted(cursor):
                self.macros.add((cursor.location.file.name, cursor.location.line))
        for cursor in unit.cursor.get_children():
            if self._wanted(cursor):
                self._declaration(cursor)

    def _wanted(self, cursor) -> bool:
        file = cursor.location.file
        if file is None:
            return False
        path = pathlib.Path(file.name)
        if not path.is_relative_to(self.root):
            return False
        return any(path.is_relative_to(self.root / room) for room in self.rooms)

    def _text(self, file: str) -> bytes:
        if file not in self.texts:
            self.texts[file] = pathlib.Path(file).read_bytes()
        return self.texts[file]

    def _declaration(self, cursor):
        if cursor.kind in FUNCTIONS and cursor.is_definition():
            head = self._text(cursor.location.file.name)[
                cursor.extent.start.offset:cursor.location.offset]
            if b"constexpr" in head or b"consteval" in head:
                return
            self.function = qualified(cursor)
            # Overloads count on.
            key = (cursor.location.file.name, self.function)
            self.counts = self.functions.setdefault(key, {})
            for child in cursor.get_children():
                if child.kind.is_statement():
                    self._walk(child, None)
            return
        for child in cursor.get_children():
            if child.kind not in CONSTANT:
                self._declaration(child)

    def _walk(self, cursor, parent):
        if cursor.kind in CONSTANT or self._is_constant(cursor):
            return
        # What a coroutine does of itself has no place in the source.
        file, line = cursor.location.file, cursor.location.line
        if file is not None and (file.name, line) not in self.macros:
            self._points_of(cursor, parent)
        for child in cursor.get_children():
            self._walk(child, cursor)

    def _is_constant(self, cursor) -> bool:
        return cursor.kind == KIND.VAR_DECL and self._source(cursor).startswith(
            (b"constexpr", b"static constexpr"))

    def _source(self, cursor) -> bytes:
        text = self._text(cursor.location.file.name)
        return text[cursor.extent.start.offset:cursor.extent.end.offset]

    def _points_of(self, cursor, parent):
        if cursor.kind in BINARY:
            self._binary(cursor)
        if cursor.kind in STATEMENTS and parent is not None and (
                parent.kind == KIND.COMPOUND_STMT):
            self._statement(cursor)
        if cursor.kind == KIND.IF_STMT:
            self._condition(cursor)
        if cursor.kind == KIND.CXX_BOOL_LITERAL_EXPR:
            self._add(cursor, "boolean")
        if cursor.kind == KIND.INTEGER_LITERAL and self._source(cursor)[:1].isdigit():
            self._add(cursor, "off-by-one")

    def _binary(self, cursor):
        children = list(cursor.get_children())
        if len(children) < 2:
            return
        left, right = children[0].extent, children[-1].extent
        text = self._text(cursor.location.file.name)
        between = text[left.end.offset:right.start.offset].decode().strip()
        if between not in EXCHANGED or b"co_await" in self._source(cursor):
            return
        if between in "+-" and cursor.type.get_canonical().kind not in INTEGERS:
            return
        parts = ((left.start.offset, left.end.offset), (right.start.offset, right.end.offset))
        if left.start.offset != cursor.extent.start.offset:
            return
        if right.end.offset != cursor.extent.end.offset:
            return
        self._add(cursor, f"{between} to {EXCHANGED[between]}", parts, EXCHANGED[between])

    def _statement(self, cursor):
        if self._source(cursor).decode().lstrip().startswith(TOLD):
            return
        if b"log" in self._source(cursor)[:40]:
            return
        self._add(cursor, "left out")

    def _condition(self, cursor):
        condition = next(iter(cursor.get_children()))
        if condition.kind in (KIND.DECL_STMT, KIND.VAR_DECL):
            return
        text = self._text(cursor.location.file.name)
        head = text[cursor.extent.start.offset:condition.extent.start.offset]
        if b";" in head or b"constexpr" in head or b"co_await" in self._source(condition):
            return
        self._add(condition, "always")
        self._add(condition, "never")

    def _add(self, cursor, kind, parts=(), exchanged=""):
        ordinal = self.counts[kind] = self.counts.get(kind, 0) + 1
        file = cursor.location.file.name
        relative = str(pathlib.Path(file).relative_to(self.root))
        name = f"{relative}: {self.function}: {kind} #{ordinal}"
        begin, end = cursor.extent.start.offset, cursor.extent.end.offset
        point = Point(relative, begin, end, name, kind, parts, exchanged)
        self.points.setdefault((relative, begin, end, kind), point)


INTEGERS = {cindex.TypeKind.INT, cindex.TypeKind.UINT, cindex.TypeKind.LONG,
            cindex.TypeKind.ULONG, cindex.TypeKind.LONGLONG, cindex.TypeKind.ULONGLONG,
            cindex.TypeKind.SHORT, cindex.TypeKind.USHORT, cindex.TypeKind.UCHAR}


def qualified(cursor) -> str:
    """The function's name with its classes, without parameters."""
    words = [cursor.spelling]
    above = cursor.semantic_parent
    while above is not None and above.kind != KIND.TRANSLATION_UNIT:
        if above.kind != KIND.NAMESPACE:
            words.append(above.spelling)
        above = above.semantic_parent
    return "::".join(reversed(words))
