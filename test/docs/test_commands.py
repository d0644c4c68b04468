"""Commands and pages that no scenario with real clients passes by."""
import http.server
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import run


def wait_until(probe, seconds=10):
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_version_needs_no_configuration(tmp_path):
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    text = run("version", env=env, cwd=tmp_path).stdout
    assert re.fullmatch(r"headscale version \d+\.\d+\.\d+(-dirty)?\ncommit: \S+\nbuild time: \S+\nbuilt with: C .* linux/\w+\n+", text)
    of = json.loads(run("version", "-o", "json", env=env, cwd=tmp_path).stdout)
    assert set(of) == {"version", "commit", "buildTime", "go", "dirty"}
    assert set(of["go"]) == {"version", "os", "arch"}
    # From git when the build had one, else the version.
    assert re.fullmatch(r"[0-9a-f]{40}", of["commit"]) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", of["buildTime"]) or \
        of["commit"] == "v" + of["version"] and of["buildTime"] == "unknown"
    assert f"commit: {of['commit']}\nbuild time: {of['buildTime']}\n" in text
    yaml = run("version", "-o", "yaml", env=env, cwd=tmp_path).stdout
    assert f"commit: {of['commit']}\n" in yaml and re.search(r"^buildtime: ", yaml, re.M), yaml


def test_the_page_of_the_version_says_the_same(server):
    of = json.loads(run("version", "-o", "json").stdout)
    page = json.loads(server.get("/version")[2])
    assert page.pop("version").endswith(of.pop("version")) and page == of


def test_a_new_private_key_each_time():
    keys = {run("generate", "private-key").stdout for _ in range(2)}
    assert len(keys) == 2 and all(re.fullmatch(r"privkey:[0-9a-f]{64}\n", k) for k in keys)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_knows_the_commands(shell):
    text = run("completion", shell).stdout
    for word in ("nodes", "approve-routes", "preauthkeys"):
        assert word in text
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_manual_page_has_every_command_that_help_has():
    page = run("man").stdout
    names = re.findall(r"^  ([a-z-]+) ", run("--help").stdout.partition("ommands:")[2], re.M)
    assert len(names) > 10
    for name in names:
        assert f"\\fBheadscale {name}" in page, name


def test_configtest_changes_nothing(stopped):
    before = sorted(os.listdir(stopped.folder))
    stopped.run("configtest")
    assert sorted(os.listdir(stopped.folder)) == before


def test_errors_come_in_the_chosen_format(server):
    for form in ("json", "json-line"):
        p = server.run("users", "destroy", "-i", "999", "--force", "-o", form, check=False)
        assert p.returncode == 1 and set(json.loads(p.stderr)) == {"error"}
    p = server.run("users", "destroy", "-i", "999", "--force", "-o", "yaml", check=False)
    assert p.returncode == 1 and p.stderr.startswith("error: ")


def test_no_is_an_answer(server):
    server.run("users", "create", "anna")
    p = server.run("users", "destroy", "-n", "anna", stdin="n\n")
    assert "not destroyed" in p.stdout + p.stderr
    assert [u["name"] for u in server.json("users", "list")] == ["anna"]
    server.run("users", "destroy", "-n", "anna", stdin="y\n")
    assert server.json("users", "list") in ([], None)


def test_a_command_waits_for_a_server_that_starts(stopped):
    out = []
    t = threading.Thread(target=lambda: out.append(stopped.run("users", "list", check=False)))
    t.start()
    time.sleep(0.3)
    stopped.start()
    t.join()
    assert out[0].returncode == 0, out[0].stderr


def test_the_policy_without_a_server_and_not_beside_one(server):
    bypass = ("--bypass-server-and-access-database-directly", "--force")
    path = os.path.join(server.folder, "p.hujson")
    with open(path, "w", encoding="utf-8") as f:
        f.write('// by hand\n{"acls": []}\n')
    assert server.run("policy", "set", "-f", path, *bypass, check=False).returncode == 1, "the server holds the database"
    server.stop()
    server.run("policy", "set", "-f", path, *bypass)
    assert "by hand" in server.run("policy", "get", *bypass).stdout
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"acls": 3}')
    assert server.run("policy", "check", "-f", path, *bypass, check=False).returncode == 1
    server.start()
    assert "by hand" in server.run("policy", "get").stdout


def test_the_older_way_to_register_says_which_is_the_newer(server):
    server.run("users", "create", "anna")
    p = server.run("nodes", "register", "-k", "0" * 24, "-u", "anna", check=False)
    assert p.returncode == 1 and "deprecated" in p.stderr


def test_nodes_of_one_user(server):
    server.run("users", "create", "anna")
    assert server.json("nodes", "list", "-u", "anna") in ([], None)
    p = server.run("nodes", "list", "-u", "nobody", check=False)
    assert p.returncode == 1 and "user not found" in p.stderr


def test_pages_carry_headers_that_keep_others_out(server):
    for path in ("/", "/health", "/apple", "/register/hskey-authreq-" + "0" * 24):
        headers = server.get(path)[1]
        assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Referrer-Policy"] == "no-referrer", path


def test_links_that_nobody_waits_behind(server):
    for kind in ("register", "auth"):
        assert server.get(f"/{kind}/hskey-authreq-" + "0" * 24)[0] == 410
        assert server.get(f"/{kind}/nonsense")[0] == 400


def test_small_pages(server):
    assert server.get("/")[0] == 200
    assert server.get("/favicon.ico")[1]["Content-Type"] == "image/svg+xml"
    assert "openapi.json" in server.get("/api/v1/docs")[2]
    for gone in ("/swagger", "/api/v1/routes", "/api/v2/tailnet/-/devices", "/machine/map"):
        assert server.get(gone)[0] == 404, gone


def test_the_metrics_port_can_be_off(stopped):
    stopped.config["metrics_listen_addr"] = ""
    stopped.write_config()
    stopped.start()
    with pytest.raises(OSError):
        stopped.get("/metrics", stopped.metrics)


def test_secrets_are_not_on_the_debug_pages(stopped):
    stopped.config["cli"] = {"api_key": "hskey-api-very-secret"}
    stopped.write_config()
    stopped.start()
    text = stopped.get("/debug/config", stopped.metrics)[2]
    assert "tail.test" in text and "very-secret" not in text


def test_what_is_not_served_stops_the_start_in_words(stopped):
    stopped.config["database"] = {"type": "postgres", "postgres": {"host": "localhost", "name": "h", "user": "h"}}
    stopped.write_config()
    p = stopped.run("serve", check=False)
    assert p.returncode == 1 and "postgres is not served" in p.stderr


def test_a_reload_names_what_waits_for_a_restart(server):
    server.config["node"] = {"expiry": "90d", "ephemeral": {"inactivity_timeout": "2h"}}
    server.write_config()
    server.process.send_signal(1)
    wait_until(lambda: "inactivity_timeout" in server.output())
    lines = {k: next(x for x in server.output().split("\n") if k in x) for k in ("node.expiry", "inactivity_timeout")}
    assert "restart" in lines["inactivity_timeout"] and "restart" not in lines["node.expiry"]


class Relays(http.server.BaseHTTPRequestHandler):
    """Serves a DERP map of the regions in `codes`."""
    codes = {}

    def do_GET(self):
        regions = {str(n): {"RegionID": n, "RegionCode": code, "RegionName": code, "Nodes": [
            {"Name": f"{n}a", "RegionID": n, "HostName": "relay.test"}]} for n, code in self.codes.items()}
        body = json.dumps({"Regions": regions}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_relays_are_fetched_again_and_kept_for_a_start_without_network(stopped):
    web = http.server.HTTPServer(("127.0.0.1", 0), Relays)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    stopped.config["derp"].update(urls=[f"http://127.0.0.1:{web.server_port}/map"], auto_update_enabled=True,
                                  update_frequency="1s")
    stopped.write_config()
    kept = stopped.config["database"]["sqlite"]["path"] + ".derpmap.json"

    def codes():
        with open(kept, encoding="utf-8") as f:
            return {r["RegionCode"] for r in json.load(f)["Regions"].values()}
    Relays.codes = {1: "one"}
    stopped.start()
    assert codes() == {"one"}
    Relays.codes = {1: "one", 2: "two"}
    wait_until(lambda: codes() == {"one", "two"})
    stopped.stop()
    web.shutdown()
    web.server_close()
    stopped.start()
    assert stopped.says("using the last one") and codes() == {"one", "two"}


def test_a_copy_of_the_database_is_a_backup(server, tmp_path):
    server.run("users", "create", "anna")
    path = server.config["database"]["sqlite"]["path"]
    other = tmp_path / "other"
    other.mkdir()
    # While it runs, the copy that SQLite makes; when it is stopped, the file itself.
    source, copy = sqlite3.connect(path), sqlite3.connect(other / "live.sqlite")
    source.backup(copy)
    source.close()
    copy.close()
    server.run("users", "create", "ben")
    server.stop()
    shutil.copy(path, other / "still.sqlite")
    for name, users in (("live", ["anna"]), ("still", ["anna", "ben"])):
        server.config["database"]["sqlite"]["path"] = str(other / f"{name}.sqlite")
        server.write_config()
        server.start()
        assert [u["name"] for u in server.json("users", "list")] == users
        server.stop()


def test_requests_are_logged_at_level_debug(stopped):
    stopped.config["log"] = {"level": "debug", "format": "json"}
    stopped.write_config()
    stopped.start()
    stopped.get("/version")
    wait_until(lambda: any(json.loads(line).get("path") == "/version" for line in stopped.output().split("\n") if line))
