#!/usr/bin/env python3
"""The page of `scoutfs sim explain`, used in a browser as a person would.

test_explain.py SCOUTFS: the command to test. Pictures are kept in the folder $SCOUTFS_SCREENSHOTS.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import webdriver

SCOUTFS = "scoutfs"
PAGE_MAX = 5_000_000  # bytes


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-explain."))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.failed = cls.explain(cls.failing_seed(), "--canary")
        cls.passed = cls.explain(7)
        cls.browser = webdriver.Browser()
        cls.addClassCleanup(cls.browser.close)

    @staticmethod
    def sim(*arguments):
        return subprocess.run([SCOUTFS, "sim", *map(str, arguments)], capture_output=True,
                              text=True, timeout=120)

    @classmethod
    def failing_seed(cls):
        """Whose falsified answer is noticed; nearly every one."""
        for seed in range(1, 10):
            if cls.sim("replay", seed, "--canary").returncode == 1:
                return seed
        raise AssertionError("no canary is found")

    @classmethod
    def explain(cls, seed, *options):
        path = cls.folder / f"{seed}.html"
        done = cls.sim("explain", seed, *options, "--output", path)
        assert done.returncode == 0, done.stderr
        return path

    def open(self, path):
        self.browser.emulate("light")
        self.browser.open(path)

    def window(self):
        low, high = self.browser.script("return [diagram.t0, diagram.t1]")
        return low, high

    def width(self):
        low, high = self.window()
        return high - low

    def keep_picture(self, name):
        folder = os.environ.get("SCOUTFS_SCREENSHOTS")
        path = pathlib.Path(folder or self.folder) / f"{name}.png"
        self.browser.screenshot(path)
        self.assertGreater(path.stat().st_size, 10_000)

    def test_the_file_stands_alone(self):
        for path in (self.failed, self.passed):
            text = path.read_text()
            self.assertLessEqual(len(text.encode()), PAGE_MAX)
            self.assertEqual(re.findall(r"(?:src|href)\s*=|@import|url\(|https?://", text), [])
            self.browser.complaints()  # of the tests before
            self.open(path)
            self.assertEqual(
                self.browser.script("return performance.getEntriesByType('resource').length"), 0)
            self.assertEqual(self.browser.complaints(), [])

    def test_a_failure_is_told_first(self):
        self.open(self.failed)
        what = self.browser.text("#what")
        self.assertEqual(self.browser.text("#badge"), "FAIL: oracle answer")
        self.assertIn("nlink is", what)
        story = self.browser.text("#story").splitlines()
        self.assertEqual(story[0], "What failed")
        self.assertIn("oracle answer says no to its answer", story)
        self.assertTrue(any(line.startswith("Who held group ") for line in story), story)
        self.assertIn("What was done to the cluster before", story)
        # The call is in what is shown, and chosen.
        call = self.browser.script("return failed.call")
        self.assertIn(call, what)
        self.assertIn(call, self.browser.text("#detail h3"))
        self.assertTrue(self.browser.script("return diagram.placeOf(failed) !== null"))
        self.assertIn(f"sim replay {self.failed.stem} --canary --verbose",
                      self.browser.text("#command"))

    def test_an_entry_of_the_story_leads_to_its_place(self):
        self.open(self.failed)
        last = "#story ul:last-of-type li:last-child button"
        self.browser.click(last)
        text = self.browser.text(last + " .text")
        self.assertEqual(self.browser.text("#detail h3"), text)
        low, high = self.window()
        chosen = self.browser.script("return diagram.selected.t0")
        self.assertTrue(low <= chosen <= high)
        self.assertEqual(len(self.browser.script(
            "return [...document.querySelectorAll('.entries .selected')].map(e => 1)")), 1)

    def test_wheel_drag_buttons_and_keys_move_the_window(self):
        self.open(self.failed)
        self.browser.click("#fit")
        whole = self.width()
        self.assertGreaterEqual(whole, self.browser.script("return model.end"))
        self.browser.wheel("#diagram", 100, 0, -600)
        near = self.width()
        self.assertLess(near, whole / 2)
        low, _ = self.window()
        self.browser.drag("#diagram", 100, 0, -100, 0)
        self.assertGreater(self.window()[0], low)
        self.assertAlmostEqual(self.width(), near, delta=near / 1000)
        self.browser.click("#zoom-out")
        self.assertAlmostEqual(self.width(), near * 2, delta=near / 100)
        self.browser.key("+")
        self.assertAlmostEqual(self.width(), near, delta=near / 100)
        before = self.window()[0]
        self.browser.key("left")
        self.assertLess(self.window()[0], before)
        self.browser.key("0")
        self.assertAlmostEqual(self.width(), whole, delta=1)
        self.browser.key("f")
        low, high = self.window()
        self.assertTrue(low < self.browser.script("return model.data.end") < high)

    def test_what_is_drawn_can_be_clicked(self):
        self.open(self.failed)
        for kind in ("ops", "locks", "messages", "writes", "lives"):
            # One that stands apart: nothing else is nearer to its middle.
            place = self.browser.script(f"""
              diagram.show(0, model.end);
              for (const item of model.{kind}) {{
                if (!isVisible(item) || item.t1 <= item.t0) continue;
                diagram.reveal(item);
                const place = diagram.placeOf(item);
                if (place === null || place.x < GUTTER || place.x > diagram.width) continue;
                if (place.y > document.getElementById("box").clientHeight) continue;
                if (diagram.at(place.x, place.y) !== item) continue;
                return [place.x - diagram.width / 2, place.y - diagram.height / 2, item.text];
              }}
              return null;""")
            self.assertIsNotNone(place, f"no {kind} can be pointed at")
            x, y, text = place
            self.browser.drag("#diagram", x, y, x, y)
            self.assertEqual(self.browser.text("#detail h3"), text)

    def test_search_finds_and_walks(self):
        self.open(self.failed)
        inode = self.browser.script("return String(failed.inodes[0])")
        self.browser.key("/")
        self.browser.type("#search", f"({inode}")
        found = re.fullmatch(r"(\d+) found", self.browser.text("#matches"))
        self.assertIsNotNone(found)
        count = int(found[1])
        self.assertGreater(count, 0)
        self.browser.key("enter")
        self.assertEqual(self.browser.text("#matches"), f"1 of {count}")
        self.assertIn(f"({inode}", self.browser.text("#detail h3"))
        self.browser.click("#previous")
        self.assertEqual(self.browser.text("#matches"), f"{count} of {count}")
        self.browser.click("[data-tab=events]")
        self.assertEqual(self.browser.text("#events h2"), f"{count} matches")
        self.browser.type("#search", "no such thing")
        self.assertEqual(self.browser.text("#matches"), "0 found")
        self.browser.key("escape")
        self.assertEqual(self.browser.text("#matches"), "")

    def test_filters_hide_what_they_name(self):
        self.open(self.passed)
        self.browser.click("[data-tab=events]")
        self.browser.click("#fit")

        def count():
            return int(re.match(r"\d+", self.browser.text("#events h2"))[0])

        kinds = self.browser.script("return KINDS.map(kind => kind.name)")
        self.assertEqual(len(kinds), 7)
        for name in [*kinds, "node0"]:
            before = count()
            box = f"input[data-filter='{name}']"
            self.browser.click(box)
            if name == "routine":
                self.assertGreater(count(), before)
            else:
                self.assertLess(count(), before, name)
            self.browser.click(box)
            self.assertEqual(count(), before)

    def test_the_verdict_lists_every_oracle(self):
        self.open(self.failed)
        self.browser.click("[data-tab=verdict]")
        text = self.browser.text("#verdict")
        self.assertRegex(text, r"answer failed \d+")
        self.assertRegex(text, r"format ran 1")
        self.assertRegex(text, r"tree not applicable 0")
        self.assertIn("injected noticed", text)

    def test_it_can_be_read_in_light_and_in_dark(self):
        self.open(self.failed)
        lightness = """
          const of = (colour) =>
            colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0) / 765;
          const style = getComputedStyle(document.body);
          return [of(style.backgroundColor), of(style.color)]"""
        for scheme in ("light", "dark"):
            self.browser.emulate(scheme)
            paper, ink = self.browser.script(lightness)
            self.assertEqual(paper > 0.5, scheme == "light")
            self.assertGreater(abs(paper - ink), 0.6)
            colours = self.browser.script("""
              const canvas = document.getElementById("diagram");
              const { width, height } = canvas;
              const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
              const seen = new Set();
              for (let i = 0; i < pixels.length; i += 4)
                seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
              return seen.size""")
            self.assertGreater(colours, 20)
            self.keep_picture(f"failure-{scheme}")
        self.open(self.passed)
        self.keep_picture("passed")

    def test_a_run_that_passed_tells_what_was_done_to_it(self):
        self.open(self.passed)
        self.assertEqual(self.browser.text("#badge"), "pass")
        self.assertTrue(self.browser.text("#story").startswith("What was done to the cluster\n"))
        self.assertFalse(self.browser.script(
            "return document.getElementById('to-failure').checkVisibility()"))

    def test_blocks_that_a_verdict_names_have_their_writes_told(self):
        self.open(self.passed)
        told, wanted, texts = self.browser.script("""
          const write = model.writes.find((one) => !one.durable && !one.failed && !one.open);
          const block = write.first + write.blocks - 1;
          const what = `1 problems: the segment at ${block} (level 0): does not verify`;
          const other = { ...model, data: { ...model.data, passed: false, oracle: "check", what } };
          const section = makeStory(other).find((one) => one.title.startsWith("Writes of"));
          const texts = section.entries.map((entry) => entry.text);
          return [section.entries.map((entry) => entry.item.id), write.id, texts]""")
        self.assertIn(wanted, told)
        self.assertIn("flushed", texts)

    def test_a_file_that_cannot_be_written_is_one_line(self):
        done = self.sim("explain", 7, "--output", self.folder / "none" / "x.html")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^scoutfs sim explain: .*No such file or directory\n$")


if __name__ == "__main__":
    SCOUTFS = sys.argv.pop(1)
    unittest.main()
