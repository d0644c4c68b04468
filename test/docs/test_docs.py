"""What the pages say, asked of the programme; see README.md beside this file."""
import glob
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("HEADSCALE_BIN", os.path.join(ROOT, "build", "headscale")))
PAGES = ["README.md"] + sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs", "*.md")))
RUNNABLE = "<!-- runnable -->"


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        return f.read()


def commands(page, runnable=False):
    """Yield (line number, words) of the commands on a page; of the runnable ones only, if asked."""
    marked = False
    text = re.sub(r"\\\n *", " ", read(page))  # lines that go on in the next
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == RUNNABLE:
            marked = True
        elif line.strip() and not line.startswith("    "):
            marked = False
        elif line.startswith("    ") and (marked or not runnable):
            for part in re.split(r";|&&", re.split(r"\s#\s", line)[0]):
                m = re.match(r"\s*(?:sudo |\w+=\S* )*(?:\S*/)?headscale (.*)", part)
                if m:
                    yield number, shlex.split(m.group(1))


def run(*args, check=True, **more):
    p = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, **more)
    assert not check or p.returncode == 0, (args, p.stdout, p.stderr)
    return p


def help_of(words):
    """The help of the command that begins with these words, and how many of them name it."""
    path = []
    for w in words:
        if w.startswith("-"):
            continue
        if "Usage:\n  headscale " + " ".join(path + [w]) not in run(*path, w, "--help", check=False).stdout:
            break
        path.append(w)
    return run(*path, "--help").stdout, path


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_flags_exist(page):
    for number, words in commands(page):
        if words[0] in ("-c", "--config"):
            words = words[2:]
        if words[0] == "derp":
            text, path = run("derp", "--help").stdout, ["derp"]
        else:
            text, path = help_of(words)
        assert path, f"{page}:{number}: no command {words}"
        assert len(path) == 2 or not re.search(r"^  headscale \S+ COMMAND", text, re.M), f"{page}:{number}: {words}: which?"
        for w in words:
            if re.match(r"--?[a-z]", w):
                flag = re.escape(w.split("=")[0])
                assert re.search(rf"(^|[\s,]){flag}\b", text, re.M), f"{page}:{number}: {' '.join(path)} has no {w}"


# ---- a server ----------------------------------------------------------------------------------------------------

def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder = str(folder)
        port, self.metrics, stun = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        self.config = os.path.join(self.folder, "config.yaml")
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({
                "server_url": f"http://127.0.0.1:{port}", "listen_addr": f"127.0.0.1:{port}",
                "metrics_listen_addr": f"127.0.0.1:{self.metrics}", "unix_socket": os.path.join(self.folder, "s"),
                "noise": {"private_key_path": os.path.join(self.folder, "noise.key")},
                "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48"},
                "database": {"type": "sqlite", "sqlite": {"path": os.path.join(self.folder, "db.sqlite")}},
                "derp": {"server": {"enabled": True, "region_id": 999, "region_code": "test", "region_name": "Test",
                                    "stun_listen_addr": f"127.0.0.1:{stun}",
                                    "private_key_path": os.path.join(self.folder, "derp.key")}},
                "dns": {"magic_dns": True, "base_domain": "tail.test", "override_local_dns": False},
                "policy": {"mode": "database"}}, f)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.folder, "HEADSCALE_CONFIG": self.config,
                    **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        self.log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([BINARY, "serve"], env=self.env, cwd=self.folder, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while self.run("health", check=False).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def run(self, *args, check=True):
        return run(*args, check=check, env=self.env, cwd=self.folder)

    def output(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}{path}", timeout=10) as r:
            return r.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.log.close()
        assert status == 0, self.output()


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path)
    yield s
    s.stop()


def policies():
    """Yield (line number, text) of the policies on their page."""
    found, begin = [], 0
    for number, line in enumerate(read("docs/policy-by-example.md").split("\n"), 1):
        if line == "    {":
            found, begin = [], number
        if begin:
            found.append(line[4:])
        if begin and line == "    }":
            yield begin, "\n".join(found) + "\n"
            begin = 0


@pytest.mark.parametrize("page", [p for p in PAGES if RUNNABLE in read(p)])
def test_what_is_marked_as_runnable_runs(server, page):
    with open(os.path.join(server.folder, "policy.hujson"), "w", encoding="utf-8") as f:
        f.write(next(policies())[1])
    todo = list(commands(page, runnable=True))
    assert todo
    if not any(words[:2] == ["users", "create"] for _, words in todo):
        server.run("users", "create", "alice")
    for _, words in todo:
        server.run(*words)


def test_policies_are_accepted(server):
    path = os.path.join(server.folder, "p.hujson")
    for name in ("alice", "bob", "carol"):
        server.run("users", "create", name, "--email", f"{name}@example.com")
    n = 0
    for line, text in policies():
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        p = server.run("policy", "check", "-f", path, check=False)
        if '"tests"' in text:  # there is no device yet: they fail, as the page says
            assert p.returncode == 1 and "test" in p.stderr, (line, p.stderr)
        else:
            assert p.returncode == 0, (line, p.stderr)
        n += 1
    assert n >= 8


def documented():
    """Names of metrics in docs/metrics.md, those of the sections with a common beginning with it."""
    names, prefix = set(), ""
    for line in read("docs/metrics.md").split("\n"):
        if line.startswith("## "):
            prefix = ""
        m = re.search(r"All begin with `(headscale_\w+_)`", line)
        prefix = m.group(1) if m else prefix
        first = line.split("|")[1] if line.startswith("| `") else ""
        if re.search(r"\| (gauge|counter|histogram)", line):
            names |= {prefix + n for n in re.findall(r"`(\w+)`", first)}
    return names


def test_metrics_have_the_names_that_are_documented(server):
    there = set(re.findall(r"^# TYPE (\S+)", server.get("/metrics"), re.M))
    assert documented() == there
    used = set(re.findall(r"\b(?:headscale|process)_\w+", read("packaging/grafana-dashboard.json")))
    assert used and {re.sub(r"_bucket$", "", n) for n in used} <= there


def test_debug_pages_answer(server):
    for path in re.findall(r"127\.0\.0\.1:9090(/\S*)", read("docs/metrics.md")):
        if "netmap" not in path:
            assert server.get(path), path
