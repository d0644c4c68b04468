"""What `policy check`, `policy set` and `policy explain` say to a person: where the mistake stands, and what was meant."""
import pytest

MISTAKES = [
    ("a comma is missing", '{\n  "hosts": { "a": "10.0.0.1" "b": "10.0.0.2" },\n}', 2, 30, "a comma or the closing bracket is expected"),
    ("a group that is not defined", '{\n  "acls": [\n\t{"action": "accept", "src": ["group:x"], "dst": ["*:*"]},\n  ],\n}', 3, 31,
     'group not defined in policy: "group:x"'),
    ("a field that there is not", '{ "acl": [] }', 1, 3, 'unknown field: "acl"'),
    ("a number for a text", '{ "grants": [{"src": ["*"], "dst": ["*"], "ip": [22]}] }', 1, 50, "ip: expected a string, got a number"),
    ("no ports", '{ "acls": [{"action": "accept", "src": ["*"], "dst": ["10.0.0.1"]}] }', 1, 55, "hostport must contain a colon"),
]


@pytest.mark.parametrize("why, text, line, column, words", MISTAKES, ids=[m[0] for m in MISTAKES])
@pytest.mark.parametrize("command", ["check", "set"])
def test_a_mistake_is_shown_where_it_stands(server, tmp_path, command, why, text, line, column, words):
    path = tmp_path / "policy.hujson"
    path.write_text(text)
    p = server.run("policy", command, "-f", str(path), check=False)
    assert p.returncode == 1
    place, shown, mark, *error = p.stderr.splitlines()
    assert place == f"{path}:{line}:{column}"
    wrong = text.splitlines()[line - 1].replace("\t", " ")
    assert shown.strip() == wrong.strip()
    assert mark.index("^") - 4 == column - 1 and shown[4:] == wrong
    assert error[0].startswith("Error: ") and error[0].count("line ") == 1 and f"line {line}, column {column}: " in error[0]
    assert words in error[0]


def test_a_mistake_far_into_a_line_is_shown_with_what_is_around_it(server, tmp_path):
    path = tmp_path / "policy.hujson"
    path.write_text('{ "groups": { "group:ü": ["' + "ü" * 150 + '@example.com"] }, "acls": 1, "ssh": [' + " " * 200 + "] }")
    p = server.run("policy", "check", "-f", str(path), check=False)
    place, shown, mark, *error = p.stderr.splitlines()
    assert shown[mark.index("^")] == "1" and len(shown) <= 104 and "ü" in shown


def test_what_is_taken_but_does_nothing_is_said(server, tmp_path):
    path = tmp_path / "policy.hujson"
    path.write_text('{\n"grants": [{"src": ["*"], "dst": ["svc:web"], "ip": ["tcp:80,443"]}]\n}')
    for command in ("check", "set"):
        p = server.run("policy", command, "-f", str(path))
        assert 'Warning: line 2: svc:web: this server offers no services' in p.stderr
        assert 'Warning: line 2: "tcp:80,443": the hosted service takes one port or range here' in p.stderr
    path.write_text('{ "acls": [] }')
    assert server.run("policy", "check", "-f", str(path)).stderr == ""


def test_an_explanation_says_each_rule_once(server, tmp_path):
    path = tmp_path / "policy.hujson"
    path.write_text('{"acls": [\n{"action": "accept", "src": ["10.0.0.0/8"], "dst": ["100.64.0.0/16:22"]},\n'
                    '{"action": "accept", "src": ["10.1.0.0/16"], "dst": ["100.64.0.0/16:80"]}]}')
    server.run("policy", "set", "-f", str(path))
    said = server.run("policy", "explain", "10.1.0.1", "100.64.0.9:443").stdout.splitlines()
    assert said[0].startswith("denied: acls[0] (line 2): 10.0.0.0/8 -> 100.64.0.0/16:22 allows this destination, but not this port")
    assert said[1].strip().startswith("acls[1] (line 3): 10.1.0.0/16 -> 100.64.0.0/16:80 allows this destination")
    assert len(said) == 2
