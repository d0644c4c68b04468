"""check-docs finds tests, links and files that are not there, and only those."""
import importlib.machinery
import importlib.util
import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("check_docs", os.path.join(HERE, "check-docs"))
docs = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_docs", loader))
loader.exec_module(docs)

GOOD = {
    "README.md": "# A name\n[here](docs/a.md) [there](https://x.example/y) `src/base`\n",
    "docs/a.md": "# One\n\n## Two, and `three`\n\n[self](#two-and-three) [up](../README.md#a-name) `unit/none.c::x`\n",
    "docs/compatibility.md": "| x | `unit/m/test_a.c::holds` `scenario/test_b.py::test_it`, `cases/c.case` `GET /unit/x` |\n",
    "src/base/README.md": "`docs/a.md`, `src/base/`, `nothing/like.it`, `src/*.c`\n",
    "test/unit/m/test_a.c": "static void holds(void **state)\n{\n}\n\nT(holds)\nstatic void idle(void **state)\n",
    "test/scenario/test_b.py": "def test_it(lab):\n    pass\n",
    "test/cases/c.case": "",
}


def tree(tmp_path, files):
    for name, text in {**GOOD, **files}.items():
        p = tmp_path / name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text)
    return docs.check(str(tmp_path))


def test_pages_in_order_pass(tmp_path):
    assert tree(tmp_path, {}) == []


@pytest.mark.parametrize("word,says", [
    ("unit/m/test_a.c::gone", "no test gone in test/unit/m/test_a.c"),
    ("unit/m/test_a.c::idle", "no test idle in test/unit/m/test_a.c"),
    ("unit/m/test_a.c::hold", "no test hold in test/unit/m/test_a.c"),
    ("scenario/test_b.py::test_i", "no test test_i in test/scenario/test_b.py"),
    ("scenario/test_c.py::test_it", "no file test/scenario/test_c.py"),
    ("cases/d.case", "no file test/cases/d.case"),
])
def test_a_test_that_is_not_there_is_named(tmp_path, word, says):
    assert tree(tmp_path, {"docs/compatibility.md": f"x\n\n| y | `{word}` |\n"}) == [f"docs/compatibility.md:3: {says}"]


@pytest.mark.parametrize("text,says", [
    ("[x](b.md)", "link to b.md: no such file"),
    ("[x](a.md#none)", "link to a.md#none: no such heading"),
    ("[x](#none)", "link to #none: no such heading"),
    ("`src/base/a.c`", "no file src/base/a.c"),
])
def test_what_leads_nowhere_is_named(tmp_path, text, says):
    assert tree(tmp_path, {"docs/a.md": f"# One\n{text}\n"}) == [f"docs/a.md:2: {says}"]


def test_fenced_text_is_passed_over(tmp_path):
    assert tree(tmp_path, {"docs/a.md": "```\n[x](b.md) `src/no.c`\n```\n"}) == []
