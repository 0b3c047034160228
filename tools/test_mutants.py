#!/usr/bin/python3
"""The bugs planted by hand apply to the tree, and the finder and the planter do what they say."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from mutation import bugs, score
from mutation.plant import fits, number_of, plant
from mutation.points import Finder, Point
from mutation.tree import ROOT, SWITCH_HEADER

SOURCE = """#include <cstdio>
struct Sum {
  int of(int a, int b) {
    if (a < b) count();
    return a + b;
  }
  void count() { calls += 1; }
  int calls = 0;
};
constexpr int kAlways = 4;
int main() {
  Sum sum;
  const bool told = true;
  const int first = sum.of(1, 2), second = sum.of(2, 2);
  std::printf("%d %d %d %d", first, second, sum.calls, told ? 1 : 0);
  return 0;
}
"""


def place(text: bytes, find: str, put: str, bug: str) -> bugs.Place:
    begin = text.index(find.encode())
    return bugs.Place("a.cpp", begin, begin + len(find), bug + " #0", bug, put)


class ByHand(unittest.TestCase):
    def test_every_bug_applies_to_the_tree_and_none_is_in_anothers_way(self):
        everything = bugs.read_all(ROOT)
        self.assertGreaterEqual(len(everything), 60)
        numbers = {number_of(bug.name) for bug in everything}
        self.assertEqual(len(numbers), len(everything))
        for file in {place.file for bug in everything for place in bug.places}:
            places = [place for bug in everything for place in bug.places if place.file == file]
            self.assertNotIn(b"PLANTED", plant((ROOT / file).read_bytes(), places))

    def test_an_edit_that_does_not_apply_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "a.cpp").write_text("f(1);\nf(1);\ng();\n")
            for edit, why in (
                    ({"find": "f(1)", "put": "PLANTED"}, "does not have once"),
                    ({"find": "h()", "put": "PLANTED"}, "does not have once"),
                    ({"within": "g", "find": "f(1)", "put": "PLANTED"}, "does not have there"),
                    ({"find": "g()", "put": "h()"}, "nothing asks for the switch"),
                    ({"find": "g()", "put": "PLANTED", "find_all": 1}, "unknown")):
                with self.assertRaisesRegex(ValueError, why):
                    bugs.read(root, "layer", "bug", {"breaks": "it", "file": "a.cpp", **edit})

    def test_two_bugs_in_one_place_are_refused(self):
        text = b"abcdef"
        bug = bugs.Bug("one", "layer", "", 1, "", False, (place(text, "bcd", "PLANTED", "one"),
                                                         place(text, "de", "PLANTED", "two")), "")
        with self.assertRaisesRegex(ValueError, "in each other's way"):
            bugs.check_apart([bug])

    def test_an_automatic_mutant_does_not_lie_inside_a_bug_planted_by_hand(self):
        by_hand = [bugs.Place("a", 10, 20, "", "", "")]
        for begin, end, parts, does in ((12, 14, (), False), (0, 10, (), True), (5, 25, (), True),
                                        (15, 25, (), False), (5, 30, ((5, 12), (13, 30)), False),
                                        (5, 30, ((5, 22), (25, 30)), True)):
            point = Point("a", begin, end, "name", "kind", parts)
            self.assertEqual(fits(point, by_hand), does, (begin, end, parts))


class Planted(unittest.TestCase):
    """SOURCE with all of its points and one bug by hand in one program."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "a.cpp").write_text(SOURCE)
        finder = Finder(cls.folder, ["."])
        finder.parse({"file": str(cls.folder / "a.cpp"),
                      "command": f"clang++-19 -std=c++23 -o a.o -c {cls.folder}/a.cpp"})
        by_hand = place(SOURCE.encode(), "calls += 1;", "calls += PLANTED ? 2 : 1;", "twice")
        cls.points = [point for point in finder.points.values() if fits(point, [by_hand])]
        text = plant(SOURCE.encode(), [by_hand, *cls.points])
        (cls.folder / "planted.cpp").write_bytes(text)
        subprocess.run(["clang++-19", "-std=c++23", "-w", "-include", SWITCH_HEADER, "-o",
                        cls.folder / "planted", cls.folder / "planted.cpp"], check=True)

    def output(self, number: int, **more) -> str:
        environment = {**os.environ, "SCOUTFS_MUTANT": str(number), **more}
        return subprocess.run([self.folder / "planted"], env=environment,
                              stdout=subprocess.PIPE, text=True).stdout

    def said(self, kind: str) -> set:
        return {self.output(number_of(point.name)) for point in self.points
                if point.kind == kind}

    def test_none_awake_is_the_original(self):
        self.assertEqual(self.output(-1), "3 4 1 1")

    def test_each_kind_does_what_it_is_called(self):
        self.assertEqual(self.said("< to <="), {"3 4 2 1"})
        self.assertEqual(self.said("always"), {"3 4 2 1"})
        self.assertEqual(self.said("never"), {"3 4 0 1"})
        self.assertEqual(self.said("+ to -"), {"-1 0 1 1"})
        self.assertEqual(self.said("boolean"), {"3 4 1 0"})
        self.assertIn("4 4 0 1", self.said("off-by-one"))
        # printf is a statement, too.
        self.assertEqual(self.said("left out"), {""})

    def test_a_bug_by_hand_wakes_by_its_own_name(self):
        self.assertEqual(self.output(number_of("twice")), "3 4 2 1")

    def test_what_is_reached_is_told(self):
        reached = self.folder / "reached"
        with open(reached, "wb") as file:
            file.truncate(1 << 22)
        self.output(-1, SCOUTFS_MUTANTS_REACHED=str(reached))
        told = reached.read_bytes()
        asleep = [point.name for point in self.points if not told[number_of(point.name)]]
        self.assertEqual(asleep, ["a.cpp: main: off-by-one #6"])  # told is never false
        self.assertEqual(sum(told), len(self.points))

    def test_constants_are_left_alone(self):
        self.assertFalse([point for point in self.points if "kAlways" in point.name])


class Score(unittest.TestCase):
    def test_equivalent_ones_do_not_count_and_survivors_need_a_reason(self):
        found = {"verdict": "found", "seconds": 2.0, "seed": 1, "oracle": "answer"}
        lived = {"verdict": "survived", "seconds": 9.0}
        rows = [score.Row("a", "lsm", found), score.Row("b", "lsm", lived, "same", True)]
        self.assertTrue(score.met("automatic", rows))
        self.assertEqual(score.summary("automatic", rows)["score"], 1.0)
        self.assertFalse(score.met("automatic", [*rows, score.Row("c", "lsm", lived)]))
        many = [score.Row(str(i), "lsm", found) for i in range(20)]
        self.assertFalse(score.met("automatic", [*many, score.Row("c", "lsm", lived)]))
        self.assertTrue(score.met("automatic", [*many, score.Row("c", "lsm", lived, "why")]))
        self.assertIn("| c |", score.document({"automatic": [score.Row("c", "lsm", lived)]}))


if __name__ == "__main__":
    unittest.main()
