"""Who may administer from afar, what the public port says to others, and how the server ends."""
import json
import os
import signal
import socket

import pytest

from lab import BINARY, NEW, SERVER_IP, URL, merge, run, until


def test_the_command_line_from_afar_needs_a_key(lab):
    n = lab.node("n", NEW, user="anna")
    key = lab.server.cli("apikeys", "create").stdout.strip()
    env = {**n.env(), "HEADSCALE_CLI_ADDRESS": URL}

    def remote(api_key, *args, **more):
        e = {**env, **({"HEADSCALE_CLI_API_KEY": api_key} if api_key else {}), **more}
        return n.run(BINARY, *args, env=e, check=False)
    out = remote(key, "nodes", "list", "-o", "json")
    assert out.returncode == 0, out.stderr
    assert [r["givenName"] for r in json.loads(out.stdout)] == ["n"]
    assert remote(key, "users", "create", "ben").returncode == 0
    assert {u["name"] for u in lab.server.json("users", "list")} == {"anna", "ben"}
    for bad in (None, "", "nonsense", key[:-1] + ("0" if key[-1] != "0" else "1"), key[:20]):
        out = remote(bad, "nodes", "list", "-o", "json")
        assert out.returncode == 1 and "10." not in out.stdout and "mkey" not in out.stdout, (bad, out.stdout)
    out = remote(key, "nodes", "list", SSL_CERT_FILE="/dev/null")
    assert out.returncode == 1, "an unknown certificate is not trusted"
    out = remote(key, "nodes", "list", "-o", "json", SSL_CERT_FILE="/dev/null", HEADSCALE_CLI_INSECURE="true")
    assert out.returncode == 0, out.stderr
    lab.server.cli("apikeys", "expire", "--prefix", key.split("-")[2])
    assert remote(key, "nodes", "list").returncode == 1


def test_without_a_key_the_api_says_nothing(lab):
    lab.node("secret-name", NEW, user="anna")
    for path in ("/api/v1/node", "/api/v1/user", "/api/v1/preauthkey", "/api/v1/apikey", "/api/v1/policy",
                 "/api/v2/tailnet/-/devices", "/api/v1/node/1", "/metrics", "/debug/overview"):
        for header in ((), ("-H", "Authorization: Bearer "), ("-H", "Authorization: Basic YTpi"),
                       ("-H", "Authorization: Bearer hskey-api-000000000000-" + "0" * 64)):
            out = lab.server.http(path, *header, "-w", "\n%{http_code}").stdout
            body, status = out.rsplit("\n", 1)
            assert status in ("401", "404"), (path, header, out)
            assert "secret-name" not in body and "anna" not in body, (path, body)


def test_public_pages(lab):
    for path, words in (("/health", "pass"), ("/key?v=140", "mkey:"), ("/version", "version"), ("/apple", "profile"),
                        ("/windows", "login-server"), ("/robots.txt", "Disallow")):
        out = lab.server.http(path, "-w", "\n%{http_code}").stdout
        assert out.endswith("\n200") and words.lower() in out.lower(), (path, out[:500])
    assert lab.server.http("/nothing-here", "-o", "/dev/null", "-w", "%{http_code}").stdout == "404"


def test_it_ends_in_order(lab):
    n = lab.node("n", NEW, user="anna")
    until("online", lambda: lab.server.node("n")["online"])
    for sig in (signal.SIGTERM, signal.SIGINT):
        assert lab.server.kill(sig) == 0
        assert not os.path.exists(lab.server.socket)
        lab.server.start()
        until("back", lambda: lab.server.node("n")["online"], timeout=60)
    assert n.state() == "Running"


def test_what_is_taken_stops_the_start_in_words(lab):
    s = lab.server
    first = dict(s.config)

    def second(words, **more):
        s.config = merge(first, more)
        s.write_config()
        out = s.run("timeout", "10", BINARY, "serve", "-c", s.path, check=False, timeout=20)
        s.config = first
        s.write_config()
        assert out.returncode == 1 and words in out.stdout + out.stderr, out.stdout + out.stderr
    second("db.sqlite")
    other = {"database": {"sqlite": {"path": os.path.join(s.dir, "second.sqlite")}}}
    # Its own database and socket, but the first one's port: two servers must not share the connections.
    second("in use", unix_socket=os.path.join(s.dir, "second.sock"), **other)
    second("hs.sock", listen_addr="0.0.0.0:444", metrics_listen_addr="", derp={"server": {"stun_listen_addr": "0.0.0.0:3479"}},
           **other)
    assert s.json("users", "list") in ([], None), "the first goes on"


def test_mistakes_in_the_configuration_are_named_together(make_lab):
    lab = make_lab(start=False)
    s = lab.server
    s.config["server_url"] = "control.test"
    s.config["dns"]["base_domain"] = ""
    s.config["noise"] = {}
    s.write_config()
    for command in ("serve", "configtest"):
        out = run(BINARY, command, "-c", s.path, check=False, timeout=20, env=s.env())
        assert out.returncode == 1
        text = out.stdout + out.stderr
        assert "server_url must start with https:// or http://" in text and "noise.private_key_path" in text, text


def test_a_socket_left_behind_does_not_stop_the_start(lab):
    lab.server.kill(signal.SIGKILL)
    assert os.path.exists(lab.server.socket)
    lab.server.start()
    assert lab.server.json("users", "list") in ([], None)


@pytest.mark.parametrize("what", ["", "GET", "GET / HTTP/1.1\r\nHost: x\r\n", "\x16\x03\x01\x02\x00", "PRI * HTTP/2.0\r\n\r\n"])
def test_who_says_half_a_word_holds_up_nobody(lab, what):
    code = ("import socket,sys\n"
            f"cs=[socket.create_connection(('{SERVER_IP}',443)) for _ in range(200)]\n"
            "for c in cs: c.sendall(bytes.fromhex(sys.argv[1]))\n"
            "print('ready',flush=True)\n"
            "import signal; signal.pause()\n")
    p = lab.server.spawn("python3", "-c", code, what.encode("latin1").hex(), log="half.log")
    until("held", lambda: "ready" in open(os.path.join(lab.server.dir, "half.log")).read())
    n = lab.node("n", NEW, user="anna")
    assert n.state() == "Running"
    lab.server.stop(p)


def test_the_socket_is_for_its_owner(lab):
    mode = os.stat(lab.server.socket).st_mode & 0o777
    assert mode == 0o700, oct(mode)
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(lab.server.socket)

