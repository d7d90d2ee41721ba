#!/usr/bin/python3
"""Counts a step's tests: `count-results.py junit FILE` (pytest), `gtest LOG` (ctest -V over GoogleTest programs), `plain LOG`
(last line `N passed, N failed`). Prints `PASSED FAILED`. A skipped test counts as failed: no test may be skipped for want
of something. No test at all is one failure."""
import re
import sys
import xml.etree.ElementTree as tree


def junit(path):
    passed = failed = 0
    for case in tree.parse(path).getroot().iter("testcase"):
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        passed, failed = passed + (not bad), failed + bad
    return passed, failed


def gtest(path):
    text = open(path, encoding="utf-8", errors="replace").read()
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) tests?\.", text))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) tests?, listed below", text))
    failed += sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) tests?, listed below", text))
    # A program that crashed or ran out of time says neither: ctest's own count of failed programs is the floor.
    programs = re.search(r"(\d+) tests failed out of \d+", text)
    failed = max(failed, int(programs.group(1)) if programs else (0 if "100% tests passed" in text else 1))
    return passed, failed


def plain(path):
    found = re.findall(r"^(\d+) passed, (\d+) failed$", open(path, encoding="utf-8", errors="replace").read(), re.MULTILINE)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 1)


def main():
    try:
        passed, failed = {"junit": junit, "gtest": gtest, "plain": plain}[sys.argv[1]](sys.argv[2])
    except (OSError, tree.ParseError) as problem:
        print(f"no result: {problem}", file=sys.stderr)
        passed, failed = 0, 1
    if passed + failed == 0:
        failed = 1
    print(passed, failed)


if __name__ == "__main__":
    main()
