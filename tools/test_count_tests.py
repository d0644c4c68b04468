"""count-tests counts what runners report, and takes a crash for a failure."""
import importlib.machinery
import importlib.util
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("count_tests", os.path.join(HERE, "count-tests"))
counts = importlib.util.module_from_spec(importlib.util.spec_from_loader("count_tests", loader))
loader.exec_module(counts)

GOOD = "[==========] Running 2 test(s).\n[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n[       OK ] b\n[  PASSED  ] 2 test(s).\n"
BAD = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n"
BAD_ERR = "[  ERROR   ] --- 1 != 2\n[  FAILED  ] b\n[  PASSED  ] 1 test(s).\n[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] b\n"


def meson(tmp_path, *tests):
    path = tmp_path / "log.json"
    path.write_text("".join(json.dumps({"name": "x", "result": r, "stdout": o, "stderr": e}) + "\n" for r, o, e in tests))
    return counts.meson(str(path))


def test_the_tests_inside_a_programme_are_counted(tmp_path):
    assert meson(tmp_path, ("OK", GOOD, ""), ("OK", GOOD, "")) == [4, 0, 0]


def test_a_failure_is_counted_once_though_it_is_named_twice(tmp_path):
    assert meson(tmp_path, ("FAIL", BAD, BAD_ERR)) == [1, 1, 0]


def test_a_programme_that_dies_is_a_failure_though_no_test_says_so(tmp_path):
    assert meson(tmp_path, ("FAIL", GOOD, "==1==ERROR: AddressSanitizer"), ("TIMEOUT", BAD, ""), ("ERROR", "", "")) == [3, 3, 0]


def test_a_programme_without_cmocka_counts_as_one(tmp_path):
    assert meson(tmp_path, ("OK", "fine\n", ""), ("SKIP", "", ""), ("OK", "[  SKIPPED ] z\n[  SKIPPED ] 1 test(s)\n", "")) == [1, 0, 2]


def test_junit(tmp_path):
    path = tmp_path / "j.xml"
    path.write_text("<testsuites><testsuite><testcase/><testcase><failure/></testcase><testcase><error/></testcase>"
                    "<testcase><skipped/></testcase></testsuite></testsuites>")
    assert counts.junit(str(path)) == [1, 2, 1]


def test_the_last_line_counts(tmp_path):
    path = tmp_path / "l.txt"
    path.write_text("1 passed, 9 failed\nx\n518 passed, 0 failed, 2 skipped\n")
    assert counts.line(str(path)) == [518, 0, 2]
    path.write_text("no count\n")
    assert counts.line(str(path)) == [0, 0, 0]
