"""Serve: what a machine offers on its own name inside the tailnet, without certificates."""
import os
import sys

import pytest

from lab import BOTH, NEW, OLD, until


@pytest.mark.parametrize("version", BOTH)
def test_a_local_service_inside_the_tailnet(lab, version):
    s, n = lab.node("s", version, user="anna"), lab.node("n", OLD if version == NEW else NEW, user="anna")
    s.listen(7001, "127.0.0.1")
    page = os.path.join(s.dir, "page")
    os.mkdir(page)
    with open(os.path.join(page, "hello.txt"), "w") as f:
        f.write("hello from serve")
    s.spawn(sys.executable, "-m", "http.server", "7002", "--bind", "127.0.0.1", "--directory", page, log="http.log")
    s.ts("serve", "--bg", "--tcp=7101", "tcp://127.0.0.1:7001")
    s.ts("serve", "--bg", "--http=7102", "http://127.0.0.1:7002")
    assert "7101" in s.ts("serve", "status").stdout
    n.reaches(s.ip4, 7101, "s")
    n.reaches(s.ip6, 7101, "s")
    url = "http://s.tail.test:7102/hello.txt"
    until("the page comes by name", lambda: n.run("curl", "-sS", "--max-time", "5", url).stdout == "hello from serve")
    s.ts("serve", "--tcp=7101", "off")
    n.reaches_not(s.ip4, 7101)
