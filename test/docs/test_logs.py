"""What the log says of a request, and what it never says."""
import http.client
import json
import os
import re
import socket

import pytest

from test_commands import wait_until


def lines(server, path=None):
    """The log's request lines as dicts, text or JSON."""
    out = []
    for line in server.output().split("\n"):
        if line.startswith("{"):
            d = json.loads(line)
            if d["msg"] != "http request":
                continue
        elif " http request " in line:
            d = {k: json.loads(q) if q else v for k, v, q in re.findall(r' ([a-z]+)=(?:(?!")(\S*)|("(?:[^"\\]|\\.)*"))', line)}
            d["level"] = line.split()[1]
        else:
            continue
        if path is None or d["path"] == path:
            out.append(d)
    return out


def ask(server, path, headers=None, method="GET", body=None, port=None):
    c = http.client.HTTPConnection("127.0.0.1", port or server.port, timeout=10)
    c.request(method, path, body=body, headers=headers or {})
    r = c.getresponse()
    r.read()
    c.close()
    # The line is written by another thread than the one that answered.
    wait_until(lambda: r.headers["X-Request-Id"] in server.output())
    return r


def local(server, path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.path.join(server.folder, "s"))
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    text = s.makefile("rb").read().decode()
    s.close()
    return text


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_request_has_a_name_and_a_line(stopped, form):
    stopped.config["log"] = {"level": "debug", "format": form}
    stopped.write_config()
    stopped.start()
    key = stopped.run("apikeys", "create").stdout.strip()
    asked = [("/apple", None, 200), ("/nowhere", None, 404), ("/api/v1/node", None, 401),
             ("/api/v1/user", {"Authorization": f"Bearer {key}"}, 200)]
    names = set()
    for path, headers, status in asked:
        r = ask(stopped, path + "?q=secret-in-a-query", headers)
        assert r.status == status
        names.add(r.headers["X-Request-Id"])
        [line] = [x for x in lines(stopped, path) if x["id"] == r.headers["X-Request-Id"]]
        assert (line["method"], str(line["status"]), line["remote"], line["level"]) == ("GET", str(status), "127.0.0.1", "info")
        assert int(line["elapsed"]) >= 0 and line["proto"] == "HTTP/1.1"
        assert line["who"].startswith("api key " if headers else ""), line
        assert bool(line["who"]) == bool(headers)
    assert len(names) == len(asked) and None not in names
    name = re.search("(?i)x-request-id: (.*)\r", local(stopped, "/api/v1/user")).group(1)
    wait_until(lambda: name in stopped.output())
    [line] = [x for x in lines(stopped, "/api/v1/user") if x["id"] == name]
    assert line["who"] == "local socket" and line["remote"] == "unix"
    r = ask(stopped, "/debug/overview", port=stopped.metrics)
    assert any(x["id"] == r.headers["X-Request-Id"] for x in lines(stopped, "/debug/overview"))
    ask(stopped, "/health")
    assert lines(stopped, "/health")[-1]["level"] == "debug", "asked again and again"
    assert "secret-in-a-query" not in stopped.output()


def test_only_a_trusted_proxy_names_requests_and_clients(stopped):
    stopped.start()
    said = {"X-Request-Id": "from-outside", "X-Forwarded-For": "198.51.100.7"}
    r = ask(stopped, "/apple", said)
    assert r.headers["X-Request-Id"] != "from-outside"
    assert lines(stopped, "/apple")[-1]["remote"] == "127.0.0.1"
    stopped.stop()
    stopped.config["trusted_proxies"] = ["127.0.0.1/32"]
    stopped.write_config()
    stopped.start()
    r = ask(stopped, "/windows", said)
    assert r.headers["X-Request-Id"] == "from-outside"
    line = lines(stopped, "/windows")[-1]
    assert line["id"] == "from-outside" and line["remote"] == "198.51.100.7"
    for bad in ("a b", "x" * 65, "<script>", "a\tb", "\x80"):
        r = ask(stopped, "/windows", {"X-Request-Id": bad})
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", r.headers["X-Request-Id"]), bad


def test_paths_are_shown_without_what_opens_a_door(stopped):
    stopped.start()
    for path, shown in (("/register/hskey-authreq-" + "a" * 24, "/register/hskey-authreq***"),
                        ("/auth/hskey-authreq-" + "b" * 24, "/auth/hskey-authreq***"),
                        ("/api/v1/apikey/hskey-api-abcdef-" + "c" * 40, "/api/v1/apikey/hskey-api***"),
                        ("/x/" + "d" * 100, "/x/dddddddd***"), ("/" + "e/" * 400, None)):
        ask(stopped, path)
        line = lines(stopped)[-1]
        assert len(line["path"]) < 256
        assert shown is None or line["path"] == shown


def test_a_whole_run_leaves_no_secret_in_the_log(stopped):
    """Everything at the loudest level, by every door, with right and wrong credentials."""
    secret = "oidc-secret-of-the-test"
    stopped.config["log"] = {"level": "trace"}
    stopped.config["database"]["debug"] = True
    stopped.config["cli"] = {"api_key": "hskey-api-cli-key-of-the-test"}
    stopped.config["oidc"] = {"issuer": "http://127.0.0.1:1/nobody", "client_id": "c", "client_secret": secret,
                              "only_start_if_oidc_is_available": False, "extra_params": {"p": "param-of-the-test"}}
    stopped.write_config()
    stopped.start()
    stopped.run("users", "create", "anna")
    uid = str(stopped.json("users", "list")[0]["id"])
    stopped.config.pop("cli")
    stopped.write_config()
    api = stopped.run("apikeys", "create").stdout.strip()
    pre = stopped.json("preauthkeys", "create", "--user", uid, "--reusable")["key"]
    for credential in (api, api[:-1] + "x", "hskey-api-made-up", pre):
        ask(stopped, "/api/v1/node", {"Authorization": f"Bearer {credential}", "Cookie": f"a={credential}"})
        ask(stopped, f"/api/v1/apikey/{credential}", {"Authorization": f"Bearer {credential}"}, method="DELETE")
        ask(stopped, f"/register/{credential}?key={credential}")
    api = stopped.run("apikeys", "create").stdout.strip()
    ask(stopped, "/api/v1/preauthkey/expire", {"Authorization": f"Bearer {api}", "Content-Type": "application/json"}, "POST",
        json.dumps({"user": uid, "key": pre}))
    ask(stopped, "/ts2021", {"Upgrade": "tailscale-control-protocol", "Connection": "upgrade",
                             "X-Tailscale-Handshake": "handshake-of-the-test"}, "POST")
    ask(stopped, "/oidc/callback?code=code-of-the-test&state=state-of-the-test", {"Cookie": "headscale_state=cookie-of-the-test"})
    stopped.process.send_signal(1)
    stopped.json("audit")
    stopped.stop()
    text = stopped.output()
    assert len(lines(stopped)) > 15, "the log is there"
    words = [secret, "of-the-test", api.split("-")[-1], pre.split("-")[-1], api, pre, "hskey-api-made-up"]
    for name in ("noise.key", "derp.key"):
        with open(os.path.join(stopped.folder, name), encoding="utf-8") as f:
            words.append(f.read().strip().split(":")[-1])
    for word in words:
        assert len(word) > 8 and word not in text, word
