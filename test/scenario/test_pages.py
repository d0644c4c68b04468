"""Pages as a browser gets them: the policy that binds them fits, nothing is kept, nothing is asked of others."""
import base64
import hashlib
import re

import pytest

from lab import NEW, URL


def get(space, path):
    """(headers in lower case, body) of a page."""
    text = space.run("curl", "-sS", "-i", "--http1.1", "--max-time", "10", URL + path).stdout
    head, body = text.replace("\r\n", "\n").split("\n\n", 1)
    return {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\n")[1:])}, body


def shown(node):
    """The path of the link that a client shows, and the process that waits."""
    p, url = node.up_url()
    return p, url.removeprefix(URL)


@pytest.mark.parametrize("path", ["/", "/apple", "/windows", "/register/hskey-authreq-" + "0" * 24, "/register/x", "login"])
def test_a_page_may_do_what_it_needs_and_nothing_else(lab, path):
    n = lab.node("odins-laptop", NEW)
    if path == "login":
        path = shown(n)[1]
    head, body = get(n, path)
    (style,) = re.findall(r"<style>(.*?)</style>", body, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(p.strip().split(" ", 1) for p in head["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["style-src"] == f"'self' 'sha256-{digest}'"
    assert policy["form-action"] == "'self'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "script-src" not in policy and "<script" not in body and "style=" not in body
    assert not re.search(r'(src|href)="(https?:)?//(?!tailscale\.com/download)', body)
    assert head["cache-control"] == "no-store" and head["x-content-type-options"] == "nosniff"
    assert head["referrer-policy"] == "no-referrer"


def test_the_page_shows_who_asks(lab):
    n = lab.node("odins-laptop", NEW)
    p, path = shown(n)
    _, body = get(lab.server, path)
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", body))
    assert facts["Host name"] == "odins-laptop" and facts["System"] == "Linux"
    assert facts["Client"] == f"Tailscale {NEW}" and facts["Asks from"] == n.lan
    assert re.fullmatch(r"\d\d:\d\d UTC, in \d+ minutes", facts["Link ends"])
    assert f"headscale auth register --auth-id {path.split('/')[-1]} --user USERNAME" in body
