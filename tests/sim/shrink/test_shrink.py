#!/usr/bin/env python3
"""`sim shrink` and `--edits` as a user runs them.

test_shrink.py SCOUTFS: the command to test.
"""
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

SCOUTFS = "scoutfs"
TIMEOUT_S = 600
SEED = 1  # it fails with --canary: one answer is falsified


class Shrink(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-shrink."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.file = self.folder / "edits.json"

    def sim(self, *arguments, code=0):
        done = subprocess.run([SCOUTFS, "sim", *map(str, arguments)], capture_output=True,
                              text=True, timeout=TIMEOUT_S, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def shrink(self, *arguments, code=0):
        return self.sim("shrink", SEED, "--canary", "--output", self.file, *arguments, code=code)

    def files(self):
        return sorted(file.name for file in self.folder.iterdir())

    def test_a_failing_seed_shrinks_and_its_rest_repeats(self):
        result = json.loads(self.shrink("--json", "--seconds", 500).stdout)
        self.assertEqual(result["oracle"], "answer")
        self.assertTrue(result["whole"])
        self.assertLess(result["operations"]["left"], 12)
        self.assertGreater(result["operations"]["all"], 90)
        self.assertEqual(result["nodes"], {"left": 1, "all": 3})
        self.assertEqual(result["faults"]["left"], 0)
        self.assertEqual(self.files(), ["edits.json"])
        # By the command that it names, twice the same.
        command = result["replay"].split()
        self.assertEqual(command[0], "scoutfs")
        for _ in range(2):
            verdict = json.loads(self.sim(*command[2:], "--json", code=1).stdout)
            self.assertEqual(verdict["oracle"], "answer")
            self.assertEqual(verdict["hash"], result["hash"])
        ran = self.sim("run", "--seeds", SEED, "--edits", self.file, "--json", code=1)
        self.assertEqual(json.loads(ran.stdout)["hash"], result["hash"])
        self.assertIn(f"sim replay {SEED} --edits {self.file}", ran.stderr)
        story = self.sim("replay", SEED, "--edits", self.file, "--verbose", code=1).stdout
        self.assertIn("oracle answer", story)
        early = self.sim("replay", SEED, "--edits", self.file, "--until", 1).stdout
        self.assertIn(f"seed {SEED}: pass", early)

    def test_what_is_left_is_told(self):
        out = self.sim("shrink", SEED, "--canary", "--seconds", 500).stdout
        self.assertRegex(out, rf"seed {SEED}: FAIL .*\n  oracle answer: .*\n"
                              r"left: \d+ of \d+ operations, 0 of \d+ faults, 1 of 3 nodes\n")
        self.assertRegex(out, r"\d+ runs, nothing more can be left out\n")
        self.assertIn(f"repeat with: scoutfs sim replay {SEED} --edits seed-{SEED}.json", out)
        self.assertEqual(self.files(), [f"seed-{SEED}.json"])

    def test_an_interrupt_on_a_terminal_keeps_the_best_so_far(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen(
            [SCOUTFS, "sim", "shrink", str(SEED), "--canary", "--output", str(self.file),
             "--ops", "4000", "--seconds", "500", "--json"],
            stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True)
        os.close(theirs)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        shown = b""
        # It is shown once the failure was had again; of so many operations there is much left
        # to try.
        while b" runs" not in shown:
            shown += os.read(ours, 65536)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 130, out)
        result = json.loads(out)
        self.assertFalse(result["whole"])
        self.sim("replay", SEED, "--edits", self.file, code=1)
        self.assertRegex(shown.decode(), r"\r\d+ operations, \d+ faults, \d nodes left  \d+ runs")

    def test_a_seed_that_passes_leaves_no_file(self):
        self.file.write_text("mine")
        failed = self.sim("shrink", SEED, "--output", self.file, code=1)
        self.assertEqual(failed.stderr,
                         f"scoutfs sim shrink: seed {SEED}: it passes: there is nothing to "
                         "shrink\n")
        self.assertEqual(self.file.read_text(), "mine")
        self.assertEqual(self.files(), ["edits.json"])

    def test_an_output_that_cannot_be_written_is_told_before_the_search(self):
        output = self.folder / "none" / "x"
        # What passes would be told if it were run.
        failed = self.sim("shrink", SEED, "--output", output, code=1)
        self.assertEqual(failed.stderr,
                         f"scoutfs sim shrink: {output}: No such file or directory\n")

    def test_bad_files_are_one_line(self):
        def refused(text, why, seed=SEED):
            self.file.write_text(text)
            for command in (["replay", seed], ["run", "--seeds", seed]):
                failed = self.sim(*command, "--edits", self.file, code=1)
                self.assertEqual(failed.stderr,
                                 f"scoutfs sim {command[0]}: {self.file}: {why}\n")

        self.shrink("--seconds", 500)
        good = json.loads(self.file.read_text())
        refused("no file of edits", "not a file of edits")
        refused(json.dumps(good | {"version": 7}),
                "edits of version 7; this build reads version 1")
        refused(json.dumps(good), f"edits of seed {SEED}", seed=SEED + 1)
        refused(json.dumps(good | {"nodes": [8]}), "there is no node 8")
        self.file.write_text(json.dumps(good | {"build": "another"}))
        tried = self.sim("replay", SEED, "--edits", self.file, code=1)
        self.assertIn("written by another build", tried.stderr)
        self.assertIn("oracle answer", tried.stdout)
        missing = self.sim("replay", SEED, "--edits", self.folder / "none", code=1)
        self.assertIn("No such file or directory", missing.stderr)

    def test_edits_say_all_of_a_run(self):
        self.file.write_text("{}")
        for more in (["--nodes", 2], ["--ops", 5], ["--no-faults"], ["--canary"]):
            self.sim("replay", SEED, "--edits", self.file, *more, code=2)
        self.sim("run", "--seeds", SEED, "--edits", self.file, "--db", "runs.sqlite", code=2)
        self.assertEqual(self.files(), ["edits.json"])


if __name__ == "__main__":
    SCOUTFS = sys.argv.pop(1)
    unittest.main()
