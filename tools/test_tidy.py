#!/usr/bin/env python3
"""Every rule of tidy.py, failing where it must and silent where it must be."""
import pathlib
import tempfile
import unittest

import tidy

FOLDERS = {"base": set(), "async": {"base"}, "lsm": {"base", "async"}}
HEADER = "// What it is.\n#pragma once\n"


def rules(path: str, text: str) -> list:
    return sorted({rule for _, rule, _ in tidy.problems_of(path, text, FOLDERS)})


def body(*statements: str) -> str:
    lines = "\n".join("  " + statement for statement in statements)
    return "Task<void> f() {\n" + lines + "\n}\n"


class Lines(unittest.TestCase):
    def test_a_long_line_is_a_problem_and_a_link_is_not(self):
        self.assertEqual(rules("engine/base/a.cpp", "// " + "x" * 98 + "\n"), ["line_length"])
        self.assertEqual(rules("engine/base/a.cpp", "// http://" + "x" * 98 + "\n"), [])

    def test_a_long_file_is_a_problem(self):
        self.assertEqual(rules("cli/a.cpp", "int a;\n" * 801), ["file_length"])
        self.assertEqual(rules("cli/a.cpp", "int a;\n" * 800), [])

    def test_a_header_says_what_it_is(self):
        self.assertEqual(rules("cli/a.hpp", "#pragma once\n"), ["file_opening"])
        self.assertEqual(rules("cli/a.hpp", "// A thing.\n"), ["pragma_once"])
        self.assertEqual(rules("cli/a.hpp", HEADER), [])

    def test_a_long_function_is_a_problem(self):
        def function(lines: int) -> str:
            return "int f(int a,\n      int b) {\n" + "  a += b;\n" * (lines - 2) + "}\n"
        self.assertEqual(rules("cli/a.cpp", function(70)), [])
        self.assertEqual(rules("cli/a.cpp", function(71)), ["function_length"])

    def test_a_namespace_or_a_table_is_no_function(self):
        many = "  int a;\n" * 90
        self.assertEqual(rules("cli/a.cpp", "namespace a {\n" + many + "}\n"), [])
        self.assertEqual(rules("cli/a.cpp", "struct A {\n" + many + "};\n"), [])
        self.assertEqual(rules("cli/a.cpp", "int a[f(1)] = {\n" + many + "};\n"), [])


class Banned(unittest.TestCase):
    def test_what_is_not_deterministic_is_banned_in_engine_and_sim(self):
        for rule, code in (
                ("clock", "auto t = std::chrono::steady_clock::now();"),
                ("clock", "auto t = time(nullptr);"),
                ("random", "std::mt19937 r;"),
                ("random", "std::uniform_int_distribution d;"),
                ("thread", "std::thread t;"),
                ("thread", "std::atomic<int> t;"),
                ("outside", "getenv(name);"),
                ("outside", "std::ifstream f;"),
                ("pointer_key", "std::map<Node*, int> m;"),
                ("pointer_key", "absl::btree_set<const a::Node*> m;"),
                ("hash_order", "std::unordered_map<int, int> m;")):
            self.assertEqual(rules("engine/base/a.cpp", code + "\n"), [rule], code)
            self.assertEqual(rules("sim/a.cpp", code + "\n"), [rule], code)
            self.assertEqual(rules("node/a.cpp", code + "\n"), [], code)

    def test_what_engine_does_without(self):
        self.assertEqual(rules("engine/base/a.cpp", "double d;\n"), ["floating"])
        self.assertEqual(rules("engine/base/a.cpp", "try {\n} catch (int) {\n}\n"), ["exception"])
        self.assertEqual(rules("sim/a.cpp", "double d;\n"), [])

    def test_assert_is_ours(self):
        self.assertEqual(rules("node/a.cpp", "assert(a);\n"), ["assert"])
        self.assertEqual(rules("node/a.cpp", "static_assert(a);\nSCOUTFS_ASSERT(a);\n"), [])

    def test_comments_and_strings_are_not_code(self):
        self.assertEqual(rules("engine/base/a.cpp", '// std::thread\n/* double\n */\n'), [])
        self.assertEqual(rules("engine/base/a.cpp", 'f("std::thread \\" double");\n'), [])
        self.assertEqual(rules("engine/base/a.cpp", "f('\"'); double d; g('\"');\n"), ["floating"])
        self.assertEqual(rules("engine/base/a.cpp", "int n = 1'000; double d;\n"), ["floating"])

    def test_unfinished_work_is_found_in_comments_too(self):
        self.assertEqual(rules("cli/a.cpp", "// TO" + "DO: more\n"), ["unfinished"])
        self.assertEqual(rules("tools/a.sh", "# FIX" + "ME\n"), ["unfinished"])

    def test_a_path_of_one_machine_is_found_everywhere(self):
        self.assertEqual(rules("cli/a.cpp", 'f("/ho' + 'me/me/x");\n'), ["main_path"])
        self.assertEqual(rules("tools/a.sh", "cd /ro" + "ot/x\n"), ["main_path"])
        self.assertEqual(rules("tools/a.sh", "cd build/wo" + "rk/x\n"), [])

    def test_a_reason_switches_one_rule_off_in_one_place(self):
        code = "std::thread t;"
        self.assertEqual(rules("sim/a.cpp", code + "  // tidy: allow(thread) a reason\n"), [])
        self.assertEqual(rules("sim/a.cpp", "// tidy: allow(thread) a reason\n" + code), [])
        self.assertEqual(rules("sim/a.cpp", code + "  // tidy: allow(thread)\n"), ["thread"])
        self.assertEqual(rules("sim/a.cpp", code + "  // tidy: allow(clock) x\n"), ["thread"])


class Includes(unittest.TestCase):
    def test_engine_knows_no_other_room(self):
        self.assertEqual(rules("engine/base/a.cpp", '#include "node/x.hpp"\n'), ["include_room"])
        self.assertEqual(rules("cli/a.cpp", '#include "node/x.hpp"\n'), [])
        self.assertEqual(rules("sim/a.cpp", '#include "node/x.hpp"\n'), ["include_room"])
        self.assertEqual(rules("node/a.cpp", '#include "sim/x.hpp"\n'), ["include_room"])
        self.assertEqual(rules("nbd/a.cpp", '#include "node/x.hpp"\n'), ["include_room"])
        self.assertEqual(rules("nbd/a.cpp", '#include "node/loop/x.hpp"\n'), [])

    def test_a_folder_includes_only_what_it_depends_on(self):
        self.assertEqual(rules("engine/async/a.cpp", '#include "engine/base/x.hpp"\n'), [])
        self.assertEqual(rules("engine/async/a.cpp", '#include "engine/async/x.hpp"\n'), [])
        self.assertEqual(rules("engine/async/a.cpp", '#include "engine/lsm/x.hpp"\n'),
                         ["include_folder"])

    def test_engine_uses_few_libraries(self):
        self.assertEqual(rules("engine/lsm/a.cpp", "#include <vector>\n#include <zstd.h>\n"), [])
        self.assertEqual(rules("engine/lsm/a.cpp", "#include <unistd.h>\n"), ["include_library"])
        self.assertEqual(rules("engine/lsm/a.cpp", "#include <absl/hash/hash.h>\n"),
                         ["include_library"])
        self.assertEqual(rules("node/a.cpp", "#include <unistd.h>\n"), [])

    def test_the_order_of_the_folders_comes_from_the_build(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, depends in (("base", ""), ("async", "DEPENDS scoutfs_base"),
                                  ("env", "DEPENDS scoutfs_async")):
                (root / "engine" / name).mkdir(parents=True)
                (root / "engine" / name / "CMakeLists.txt").write_text(
                    f"scoutfs_library(scoutfs_{name} {depends})\n")
            self.assertEqual(tidy.engine_folders(root),
                             {"base": set(), "async": {"base"}, "env": {"async", "base"}})


class Awaits(unittest.TestCase):
    def good(self, *statements: str):
        self.assertEqual(rules("node/a.cpp", body(*statements)), [], statements)

    def bad(self, rule: str, *statements: str):
        self.assertEqual(rules("node/a.cpp", body(*statements)), [rule], statements)

    def test_a_co_await_that_stands_alone_is_good(self):
        self.good("co_await f(x);")
        self.good("const Result<std::map<int, int>> v = co_await f(x);")
        self.good("v = co_await f(x, [i]);", "co_return co_await f(x[1]);")
        self.good("self->value_ = co_await f(x);", "const auto& [a, b] = co_await f(x);")
        self.good("if (a < b) co_await f(x);", "while (!a || b) co_await f(x);")
        self.good("for (int i = 0; i < n; ++i) co_await f(i);")
        self.good("if (a) {", "  b();", "} else {", "  co_return co_await f();", "}")
        self.good("switch (a) {", "  case A::b: co_return co_await f(x);", "}")
        self.good("SCOUTFS_CO_TRY(const auto x, co_await f(y));", "SCOUTFS_CO_CHECK(co_await f());")
        self.good("auto operator co_await() && noexcept;")

    def test_a_co_await_in_a_condition_is_bad(self):
        self.bad("await_alone", "if (co_await f(x)) g();")
        self.bad("await_alone", "while (a && co_await f(x)) g();")
        self.bad("await_alone", "for (int i = 0; co_await f(i); ++i) g();")
        self.bad("await_alone", "for (auto x : co_await f()) g(x);")
        self.bad("await_alone", "const int v = a ? co_await f() : 1;")
        self.bad("await_alone", "if (a) {", "  b();", "} else if (co_await f()) {", "}")

    def test_a_co_await_inside_a_larger_expression_is_bad(self):
        self.bad("await_alone", "g(co_await f(x));")
        self.bad("await_alone", "BOOST_TEST(co_await f(x));")
        self.bad("await_alone", "co_return (co_await f(x)).value();")
        self.bad("await_alone", "const int v = 1 + co_await f(x);")
        self.bad("await_alone", "const bool v = !co_await f(x);")

    def test_what_a_co_await_may_not_hold(self):
        self.bad("await_lambda", "co_await f([] { return 1; });")
        self.bad("await_lambda", "co_await f(x, [&](int a) { return a; });")
        self.bad("await_brace", "co_await f({.a = 1});")
        self.bad("await_brace", "co_await Awaiter{1};")
        self.good("co_await f(BlockNo{1 + x}, y);")
        self.bad("await_brace", "const auto v = co_await f(x,", "    Options{.b = 2});")

    def test_a_coroutine_lambda_captures_nothing(self):
        self.bad("await_capture", "auto l = [&x](int a) -> Task<void> { co_await f(x); };")
        self.bad("await_capture", "spawn([this]() -> Task<void> {", "  co_return;", "}());")
        self.good("auto l = [](int a) -> Task<void> { co_await f(a); };")
        self.good("auto l = [&x](int a) { return x + a; };", "co_await f(l);")
        self.good("auto l = [&x](int a) {",
                  "  spawn([](int b) -> Task<void> { co_await f(b); }(a));", "};")


class Tests(unittest.TestCase):
    def test_a_test_name_is_a_sentence(self):
        self.assertEqual(rules("tests/a.cpp", "BOOST_AUTO_TEST_CASE(works) {}\n"), ["test_name"])
        self.assertEqual(rules("tests/a.cpp", "BOOST_AUTO_TEST_CASE(a_b_is_c) {}\n"), [])
        self.assertEqual(rules("tests/a.cpp", "RC_BOOST_PROP(works, ()) {}\n"), ["test_name"])


class Folders(unittest.TestCase):
    def test_every_folder_has_a_readme(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("engine/base", "tests/unit/base"):
                (root / name).mkdir(parents=True)
                (root / name / "a.cpp").write_text("int a;\n")
            missing = [path for path, *_ in tidy.check_folders(root, tidy.sources(root))]
            self.assertEqual(missing, ["engine", "engine/base", "tests"])
            for name in missing:
                (root / name / "README.md").write_text("x\n")
            self.assertEqual(list(tidy.check_folders(root, tidy.sources(root))), [])


if __name__ == "__main__":
    unittest.main()
