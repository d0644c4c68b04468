"""check-rooms finds each kind of wrong edge, and only those."""
import importlib.machinery
import importlib.util
import os

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("check_rooms", os.path.join(HERE, "check-rooms"))
rooms = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_rooms", loader))
loader.exec_module(rooms)

CONF = "# comment\nbase: | threads\nnet: base | libuv\nhttp: base net/stream.h |\ncli: base |\n"


def tree(tmp_path, files, conf=CONF):
    """Make a tree whose rooms all exist and are in order, then lay `files` over it."""
    good = {"src/rooms.conf": conf, "fuzz/targets.conf": "lines: net\n"}
    for r in ("base", "net", "http", "cli"):
        good[f"src/{r}/README.md"] = "x\n"
        good[f"src/{r}/a.c"] = f'#include "{r}/a.h"\n#include <stdio.h>\n'
    good["src/net/a.c"] += '#include "base/a.h"\n'
    good["src/http/a.c"] += '#include "net/stream.h"\n'
    good["test/unit/net/test_a.c"] = '#include "net/a.h"\n#include "base/a.h"\n#include "unit/net/help.h"\n'
    good["test/unit/net/help.h"] = ""
    good["fuzz/lines.c"] = '#include "net/a.h"\n#include "base/a.h"\n'
    for name, text in {**good, **files}.items():
        if text is not None:
            p = tmp_path / name
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_text(text)
    return rooms.check(str(tmp_path))


def test_a_tree_in_order_passes(tmp_path):
    assert tree(tmp_path, {}) == []


def test_an_edge_upwards_is_named_with_its_line(tmp_path):
    assert tree(tmp_path, {"src/base/b.c": '#include "base/a.h"\n\n# include "net/a.h"\n'}) == [
        "src/base/b.c:3: may not include net/a.h"]


def test_an_edge_that_is_not_listed_is_refused(tmp_path):
    assert tree(tmp_path, {"src/cli/b.h": '#include "net/a.h"\n'}) == ["src/cli/b.h:1: may not include net/a.h"]


def test_a_single_header_opens_no_more_than_itself(tmp_path):
    assert tree(tmp_path, {"src/http/b.c": '#include "net/loop.h"\n'}) == ["src/http/b.c:1: may not include net/loop.h"]


def test_an_include_must_name_its_room(tmp_path):
    assert tree(tmp_path, {"src/net/b.c": '#include "a.h"\n'}) == [
        'src/net/b.c:1: "a.h" does not start with the name of a room']


def test_a_room_without_readme_or_line_is_named(tmp_path):
    assert tree(tmp_path, {"src/cli/README.md": None, "src/attic/x.c": ""}) == [
        "src/attic: no line in src/rooms.conf", "src/cli: no README.md"]


def test_a_line_may_name_only_rooms_above_it(tmp_path):
    bad = tree(tmp_path, {}, CONF.replace("base: |", "base: net |"))
    assert bad == ["src/rooms.conf: base names net, which is not a room above it"]


def test_unit_tests_and_fuzz_targets_stay_in_their_row(tmp_path):
    assert tree(tmp_path, {"test/unit/net/test_b.c": '#include "http/a.h"\n', "fuzz/lines.c": '#include "cli/a.h"\n'}) == [
        "test/unit/net/test_b.c:1: may not include http/a.h", "fuzz/lines.c: may not include cli/a.h"]
