#!/usr/bin/env python3
"""The rules of the source that no compiler checks. `tidy.py [ROOT]` prints one line a problem.

A rule that must be broken in one place is switched off there, with a reason, by a comment on the
line or the line above:  // tidy: allow(RULE) why.

Each rule has a name, says where it applies and what to write instead; tools/test_tidy.py shows
each one failing.
"""
import pathlib
import re
import sys

LINE_MAX = 100  # columns
FILE_MAX = 800  # lines
FUNCTION_MAX = 70  # lines

ROOMS = ("engine", "sim", "nbd", "iscsi", "node", "cli", "fuzz", "bench", "tests", "tools")
ENGINE = ("engine/",)
DETERMINISTIC = ("engine/", "sim/")
CODE = tuple(room + "/" for room in ROOMS)

# (rule, places, pattern, what to write instead)
BANNED = [
    ("clock", DETERMINISTIC,
     r"\b(system|steady|high_resolution)_clock\b|\bclock_gettime\b|(?<![\w.>:])time\(",
     "the Clock that was passed in"),
    ("random", DETERMINISTIC, r"\brandom_device\b|\bs?rand\(|\bmt19937|\w_distribution\b",
     "the Random that was passed in"),
    ("thread", DETERMINISTIC,
     r"std::(thread|jthread|mutex|shared_mutex|recursive_mutex|atomic\w*|async|condition_variable)"
     r"\b",
     "tasks on the one thread"),
    ("outside", DETERMINISTIC,
     r"\bgetenv\(|std::filesystem|\bfopen\(|std::[io]?fstream|\bstd::c(out|err|in)\b",
     "an interface of engine/env"),
    ("pointer_key", DETERMINISTIC,
     r"\b(std::|absl::btree_)(unordered_)?(multi)?(map|set)<\s*(const\s+)?[\w:]+\s*\*",
     "a key that is not an address"),
    ("hash_order", DETERMINISTIC, r"std::unordered_(multi)?(map|set)\b|absl::(flat|node)_hash_",
     "std::map or absl::btree_map, whose order is the same in every run"),
    ("floating", ENGINE, r"\b(float|double)\b", "integers"),
    ("exception", ENGINE, r"\bthrow\b|\btry\s*\{|\bcatch\s*\(", "Result"),
    ("assert", CODE, r"(?<![\w.])assert\(", "SCOUTFS_ASSERT"),
    ("unfinished", CODE, r"\b(FIX" r"ME|TO" r"DO|XX" r"X|HA" r"CK)\b", "the finished thing"),
    ("main_path", CODE, r"(?<![\w.])/(home|root|work|Users)/", "a path relative to the project"),
]
# What a rule about prose must look at too.
WHOLE_LINE = ("unfinished", "main_path")

# A room may include itself and these: rooms, or folders of one.
ROOM_INCLUDES = {
    "engine": (),
    "sim": ("engine",),
    "nbd": ("engine", "sim", "node/loop"),
    "iscsi": ("engine", "node/loop"),
    "node": ("engine", "nbd", "iscsi"),
    "cli": ("engine", "sim", "nbd", "iscsi", "node"),
    "fuzz": ("engine", "nbd"),
    "bench": ("engine", "sim", "nbd", "node"),
    "tests": ("engine", "sim", "nbd", "iscsi", "node", "cli", "bench"),
}
ENGINE_LIBRARIES = re.compile(
    r"xxhash\.h|zstd\.h|fmt/\w+\.h|absl/container/btree_(map|set)\.h|absl/types/compare\.h")
STANDARD_HEADER = re.compile(r"[a-z_0-9]+")


class Source:
    """One file: its text, and its code with comments and literals blanked out."""

    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.is_cpp = path.endswith((".cpp", ".hpp", ".h", ".c"))
        self.code = blank(text) if self.is_cpp else text
        self.code_lines = self.code.splitlines()

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def allowed(self, line: int, rule: str) -> bool:
        near = self.lines[max(0, line - 2):line]
        return any(re.search(r"tidy: allow\(" + rule + r"\) \w", text) for text in near)


LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def blank(text: str) -> str:
    """Comments and literals become spaces (quotes stay); offsets and lines stay the same."""

    def space(match: re.Match) -> str:
        found = match[0]
        body = re.sub(r"[^\n]", " ", found)
        if found.startswith("/"):
            return body
        return '"' + body[1:-1] + '"'

    # An include's path is not a literal to hide.
    return re.sub(LITERAL, lambda m: m[0] if is_include(text, m.start()) else space(m), text)


def is_include(text: str, at: int) -> bool:
    start = text.rfind("\n", 0, at) + 1
    return text[start:at].startswith("#include ")


def check_lines(source: Source):
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_MAX and "http" not in line:
            yield number, "line_length", f"the line has {len(line)} columns; at most {LINE_MAX}"
        if line != line.rstrip():
            yield number, "trailing_space", "white space at the end of the line"
    if len(source.lines) > FILE_MAX:
        yield FILE_MAX, "file_length", f"{len(source.lines)} lines; split it at {FILE_MAX}"
    if source.path.endswith(".hpp"):
        if not source.text.startswith("//"):
            yield 1, "file_opening", "say first what this is, in a comment"
        if "#pragma once" not in source.text:
            yield 1, "pragma_once", "a header needs #pragma once"


def check_banned(source: Source):
    if source.path in ("tools/tidy.py", "tools/test_tidy.py"):
        return
    for number, line in enumerate(source.lines, 1):
        code = source.code_lines[number - 1] if number <= len(source.code_lines) else ""
        for rule, places, pattern, instead in BANNED:
            if not source.path.startswith(places):
                continue
            if not source.is_cpp and rule not in WHOLE_LINE:
                continue
            found = re.search(pattern, line if rule in WHOLE_LINE else code)
            if found:
                yield number, rule, f"'{found[0].strip()}' is banned here; write {instead}"


def check_includes(source: Source, folders: dict):
    room = source.path.split("/")[0]
    if not source.is_cpp or room not in ROOM_INCLUDES:
        return
    parts = source.path.split("/")
    own_folder = parts[1] if room == "engine" and len(parts) > 2 else None
    for number, line in enumerate(source.lines, 1):
        quoted = re.match(r'#include "([^"]+)"', line)
        if quoted:
            target = quoted[1].split("/")
            allowed = tuple(f"{name}/" for name in (room, *ROOM_INCLUDES[room]))
            if not quoted[1].startswith(allowed):
                yield number, "include_room", f"{room}/ may not include {target[0]}/"
            elif own_folder and target[0] == "engine":
                may = {own_folder} | folders.get(own_folder, set())
                if target[1] not in may:
                    yield (number, "include_folder",
                           f"engine/{own_folder} may not include engine/{target[1]}: it is not "
                           f"among the DEPENDS of engine/{own_folder}/CMakeLists.txt")
        angled = re.match(r"#include <([^>]+)>", line)
        if angled and room == "engine":
            known = STANDARD_HEADER.fullmatch(angled[1]) or ENGINE_LIBRARIES.fullmatch(angled[1])
            if not known:
                yield number, "include_library", f"engine/ may not use <{angled[1]}>"


NOT_FUNCTION = re.compile(r"^(inline )?(namespace|class|struct|enum|union|extern)\b|=\s*\{$")


def check_functions(source: Source):
    """Functions at column 0, as the formatter writes them: from the `{` to the `}` in column 0."""
    if not source.is_cpp:
        return
    start = None
    head = ""
    for number, line in enumerate(source.code_lines, 1):
        if start is None:
            if line and not line.startswith((" ", "}", "#", "/")):
                head = line
            if line.endswith("{") and head and (line == head or line.startswith("    ")):
                if not NOT_FUNCTION.search(head) and "(" in head:
                    start = number
        elif line.startswith("}"):
            if number - start + 1 > FUNCTION_MAX:
                yield (start, "function_length",
                       f"the function has {number - start + 1} lines; at most {FUNCTION_MAX}")
            start, head = None, ""


def enclosing(code: str, at: int):
    """The statement's start before `at`, and the offsets of the `(`s that are open there."""
    depth, opened = 0, []
    position = at - 1
    while position >= 0:
        char = code[position]
        if char == ")":
            depth += 1
        elif char == "(":
            if depth == 0:
                opened.append(position)
            else:
                depth -= 1
        elif char in ";{}" and depth == 0:
            # `for (a; b; c)`: the semicolons do not end the statement.
            if char != ";" or not inside_for(code, position):
                break
        position -= 1
    return position + 1, opened


def inside_for(code: str, at: int) -> bool:
    depth = 0
    for position in range(at - 1, max(-1, at - 400), -1):
        char = code[position]
        if char == ")":
            depth += 1
        elif char == "(":
            if depth == 0:
                return re.search(r"\bfor\s*$", code[:position]) is not None
            depth -= 1
        elif char in "{}":
            return False
    return False


def statement_end(code: str, at: int) -> int:
    depth = 0
    for position in range(at, len(code)):
        char = code[position]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return position
        elif char == ";" and depth == 0:
            return position
    return len(code)


# An integer with a name (engine/base/ids.hpp) is passed like an integer.
STRONG_ID = r"(Ino|Seq|BlockNo|Rid|Epoch|TxnNo|RecordNo|Version|GrantId|JobId|RequestId|Fsid)"

CONTROL = re.compile(r"\s*(else\b|do\b|case\b(?:[^:]|::)*:(?!:)|default\s*:"
                     r"|(if|while|for|switch)\s*(constexpr\s*)?(?=\())")
# `co_return`, `name =`, `Type name =` or nothing stands before a co_await.
AWAIT_PREFIX = re.compile(r"\s*(co_return\s*|[^=!?+\-|]*[\w\]>&*]\s*=\s*)?$", re.DOTALL)


def without_control(text: str) -> str:
    """The statement without `if (...)`, `else`, `while (...)` and labels in front of it."""
    while True:
        found = CONTROL.match(text)
        if not found:
            return text
        text = text[found.end():]
        if found[2]:
            depth = 0
            for position, char in enumerate(text):
                depth += (char == "(") - (char == ")")
                if depth == 0:
                    text = text[position + 1:]
                    break


def check_awaits(source: Source):
    if not source.is_cpp:
        return
    code = source.code
    for found in re.finditer(r"\bco_await\b", code):
        at = found.start()
        line = source.line_of(at)
        if code[:at].rstrip().endswith("operator"):
            continue
        start, opened = enclosing(code, at)
        names = [re.search(r"([\w.>:-]*)\s*$", code[start:paren])[1] for paren in opened]
        in_macro = bool(names) and re.fullmatch(r"SCOUTFS_CO_(TRY|CHECK)", names[-1])
        if in_macro:
            names, opened = names[:-1], opened[:-1]
        before = without_control(code[start:at]).replace("->", ".")
        if not opened and not in_macro and not AWAIT_PREFIX.match(before):
            yield line, "await_alone", "co_await is part of an expression; name its value first"
        if opened:
            where = f"inside {names[0]}(...)" if names[0] else "inside parentheses"
            yield line, "await_alone", f"co_await {where}; name its value first"
        rest = code[found.end():statement_end(code, found.end())]
        if re.search(r"(?:[(,=&|]|^)\s*\[[^\[\]]*\]\s*[({]", rest):
            yield line, "await_lambda", "a lambda inside a co_await expression; name it first"
        elif "{" in re.sub(r"\b" + STRONG_ID + r"\{", "", rest):
            yield line, "await_brace", "a braced object inside a co_await expression; name it first"
        if "?" in rest or "?" in code[start:at]:
            yield line, "await_alone", "co_await in a ?: expression; write if and else"


def check_lambdas(source: Source):
    """A coroutine lambda captures nothing: its captures die with the lambda, not with the frame."""
    if not source.is_cpp:
        return
    code = source.code
    for found in re.finditer(r"(?<![\w\])\[])\[(?!\[)([^\[\]\n]+)\]\s*\(", code):
        body = lambda_body(code, found.end() - 1)
        if body and re.search(r"\bco_(await|return|yield)\b", without_lambdas(body)):
            yield (source.line_of(found.start()), "await_capture",
                   "a coroutine lambda captures nothing; pass arguments")


def lambda_body(code: str, paren: int) -> str:
    depth = 0
    for position in range(paren, len(code)):
        depth += (code[position] == "(") - (code[position] == ")")
        if depth == 0:
            break
    opening = re.match(r"\)[^;{}()]*\{", code[position:])
    if not opening:
        return ""
    begin = position + opening.end()
    return code[begin:statement_end(code, begin)]


def without_lambdas(body: str) -> str:
    while True:
        found = re.search(r"(?<![\w\])])\[[^\[\]\n]*\]\s*\(", body)
        if not found:
            return body
        inner = lambda_body(body, found.end() - 1)
        if not inner:
            return body[:found.start()] + without_lambdas(body[found.end():])
        at = body.index(inner, found.end())
        body = body[:found.start()] + " " + body[at + len(inner):]


def check_test_names(source: Source):
    if not source.path.startswith("tests/"):
        return
    for number, line in enumerate(source.code_lines, 1):
        found = re.match(r"\s*(?:BOOST_(?:AUTO|FIXTURE)_TEST_CASE|RC_BOOST_\w*PROP)\((\w+)", line)
        if found and found[1].count("_") < 2:
            yield number, "test_name", f"'{found[1]}' is no sentence; say what holds"


def check_folders(root: pathlib.Path, files: list):
    """Every folder that holds sources has a README.md; of tests/ and tools/ the top one does."""
    holders = set()
    for path in files:
        if path.endswith((".cpp", ".hpp", ".py", ".sh")):
            parts = path.split("/")[:-1]
            if parts:
                holders.add(parts[0])
                if parts[0] not in ("tests", "tools"):
                    holders.add("/".join(parts))
    for folder in sorted(holders):
        if not (root / folder / "README.md").exists():
            yield folder, 1, "folder_readme", "the folder has no README.md"


def engine_folders(root: pathlib.Path) -> dict:
    """Which folders of engine/ each one may include: its DEPENDS, and theirs."""
    direct = {}
    for file in root.glob("engine/*/CMakeLists.txt"):
        direct[file.parent.name] = set(re.findall(r"\bscoutfs_(\w+)\b(?!\()", file.read_text())) - {
            "library", file.parent.name}
    closed = {}

    def close(folder: str) -> set:
        if folder not in closed:
            closed[folder] = set()  # a cycle ends here
            closed[folder] = direct.get(folder, set()).union(
                *(close(other) for other in direct.get(folder, set())))
        return closed[folder]

    for folder in direct:
        close(folder)
    return closed


def problems_of(path: str, text: str, folders: dict):
    """(line, rule, message) of one file."""
    source = Source(path, text)
    checks = (check_lines(source), check_banned(source), check_includes(source, folders),
              check_functions(source), check_awaits(source), check_lambdas(source),
              check_test_names(source))
    for check in checks:
        for line, rule, message in check:
            if not source.allowed(line, rule):
                yield line, rule, message


def sources(root: pathlib.Path) -> list:
    found = []
    for room in ROOMS:
        for file in sorted((root / room).rglob("*")):
            name = file.relative_to(root).as_posix()
            if file.is_file() and "__pycache__" not in name and (
                    name.endswith((".cpp", ".hpp", ".py", ".sh", ".cmake"))
                    or file.name == "CMakeLists.txt"):
                found.append(name)
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    folders = engine_folders(root)
    files = sources(root)
    count = 0
    for path in files:
        for line, rule, message in sorted(problems_of(path, (root / path).read_text(), folders)):
            print(f"{path}:{line}: {rule}: {message}")
            count += 1
    for path, line, rule, message in check_folders(root, files):
        print(f"{path}:{line}: {rule}: {message}")
        count += 1
    print(f"tidy: {len(files)} files, {count} problem(s)")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
