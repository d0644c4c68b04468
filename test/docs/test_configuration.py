"""The configuration as an operator meets it: what decides nothing, mistakes, reloads."""
import os
import re
import urllib.error
import urllib.request

import pytest

from conftest import run
from test_commands import wait_until

# Ten mistakes of every kind: the lines of the file, and what is said of them.
MISTAKES = """server_url: ftp://hs.example.com
listen_addr: 8080
unix_socket_permission: rwx
noise: {private_key_path: /n}
prefixes: {v4: 100.64.0.0/33}
node: {ephemeral: {inactivity_timeout: 5s}}
database: {type: oracle}
dns: {magic_dns: "yes", base_domain: example..com, nameservers: {global: [1.1.1]}}
log: {level: chatty}
randomize_client_port: true
"""
KEYS = ("server_url", "listen_addr", "unix_socket_permission", "prefixes.v4", "node.ephemeral.inactivity_timeout", "database.type",
        "dns.magic_dns", "dns.base_domain", "dns.nameservers.global", "log.level", "randomize_client_port")


def test_every_mistake_has_a_line_with_its_place(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(MISTAKES)
    p = run("-c", str(path), "configtest", check=False)
    assert p.returncode == 1
    lines = [x for x in p.stderr.split("\n") if x.startswith("Fatal config error: ")]
    places = dict(re.search(rf"\({path}:(\d+):\d+: ([a-z_.0-9]+)", x).group(2, 1) for x in lines)
    assert sorted(places) == sorted(KEYS)
    for key, line in places.items():
        assert key.rpartition(".")[2] in MISTAKES.split("\n")[int(line) - 1], key


def test_the_start_says_what_has_no_effect(stopped):
    stopped.config.update(disable_check_updates=False, tuning={"batcher_workers": 3}, server={"console": True})
    stopped.write_config()
    stopped.start()
    for words in ("disable_check_updates has no effect", "tuning.batcher_workers has no effect", "server.console has no effect"):
        assert stopped.says(words), words
    assert "has no effect" in stopped.run("configtest").stderr
    assert "has no effect" not in stopped.run("users", "list").stderr


def test_configtest_refuses_what_the_start_refuses(stopped):
    stopped.config["database"] = {"type": "postgres", "postgres": {"host": "localhost", "name": "h", "user": "h"}}
    stopped.write_config()
    for command in ("configtest", "serve"):
        p = stopped.run(command, check=False)
        assert p.returncode == 1 and "postgres is not served" in p.stderr, command


def reload(server, words, count=1):
    server.process.send_signal(1)
    wait_until(lambda: server.output().count(words) >= count)


def test_a_reload_takes_what_it_says(server):
    """Each class of keys, by what the server then works with (/debug/config shows the one in force)."""
    def in_force():
        import json
        return json.loads(server.get("/debug/config", server.metrics)[2])
    server.config["dns"].update(search_domains=["corp.test"], base_domain="other.test")
    server.config["log"] = {"level": "debug", "format": "json"}
    server.config["oidc"] = {"scope": ["openid"]}
    server.config["tuning"] = {"batcher_workers": 3}
    server.write_config()
    reload(server, "tuning.batcher_workers")
    wait_until(lambda: in_force()["dns"]["search_domains"] == ["corp.test"])
    now = in_force()
    assert now["dns"]["base_domain"] == "other.test" and now["log"] == {"level": "debug", "format": "json"}
    assert now["oidc"]["scope"] == ["openid", "profile", "email"], "it waits for a restart"
    lines = {}
    for line in server.output().split("\n"):
        for key in ("dns.base_domain", "dns.search_domains", "oidc.scope", "tuning.batcher_workers"):
            if key in line and "changed" in line:
                lines[key] = line
    assert "restart" in lines["oidc.scope"] and "no effect" in lines["tuning.batcher_workers"]
    assert "restart" not in lines["dns.base_domain"] + lines["dns.search_domains"]
    # A second reload of the same file: what was taken over is not news, what waits still waits.
    before = server.output()
    reload(server, "oidc.scope", before.count("oidc.scope") + 1)
    assert "dns.base_domain" not in server.output()[len(before):]


def test_a_reload_with_mistakes_changes_nothing_and_names_each(server):
    good = open(server.path, encoding="utf-8").read()
    with open(server.path, "w", encoding="utf-8") as f:
        f.write(MISTAKES)
    reload(server, "configuration refused")
    wait_until(lambda: server.output().count("configuration mistake") >= len(KEYS))
    lines = [x for x in server.output().split("\n") if "configuration mistake" in x]
    assert sorted(re.search(r"key=([a-z_.0-9]+)", x).group(1) for x in lines) == sorted(KEYS)
    assert all(f"file={server.path} line=" in x for x in lines)
    assert '"base_domain":"tail.test"' in server.get("/debug/config", server.metrics)[2]
    assert server.get("/health")[0] == 200
    with open(server.path, "w", encoding="utf-8") as f:
        f.write(good)
    before = server.output()
    reload(server, "reloading", before.count("reloading") + 1)
    wait_until(lambda: server.run("health", check=False).returncode == 0)
    assert "mistake" not in server.output()[len(before):]


def test_statements_are_logged_without_values(stopped):
    stopped.config["database"].update(debug=True)
    stopped.config["log"] = {"level": "debug"}
    stopped.write_config()
    stopped.start()
    stopped.run("users", "create", "hieronymus")
    stopped.stop()
    statements = [x for x in stopped.output().split("\n") if " statement " in x]
    assert any("INSERT" in x and "users" in x for x in statements)
    assert not any("hieronymus" in x for x in statements)


@pytest.mark.parametrize("ms,warned", [(1, True), (0, False)])
def test_slow_statements_are_warned_of(stopped, ms, warned):
    stopped.config["database"]["gorm"] = {"slow_threshold": ms}
    stopped.write_config()
    stopped.start()
    for n in range(20):
        stopped.run("users", "create", f"u{n}")
        if warned and "slow statement" in stopped.output():
            break
    stopped.stop()
    assert ("slow statement" in stopped.output()) == warned


def test_a_file_of_secrets_that_is_not_there_is_named(stopped):
    stopped.config["oidc"] = {"issuer": "https://sso.test", "client_id": "x", "client_secret_path": os.path.join(stopped.folder, "none")}
    stopped.write_config()
    p = stopped.run("configtest", check=False)
    assert p.returncode == 1 and "cannot read the file" in p.stderr


def test_this_machine_is_not_locked_out_for_guessing(stopped):
    """Behind a proxy that nobody named, that would be everybody."""
    stopped.config["server"] = {"limits": {"failed_logins_per_minute": 3}}
    stopped.write_config()
    stopped.start()
    for _ in range(10):
        request = urllib.request.Request(f"http://127.0.0.1:{stopped.port}/api/v1/user", headers={"Authorization": "Bearer guess"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 401
    assert "headscale_failed_logins_total 10" in stopped.get("/metrics", stopped.metrics)[2]
