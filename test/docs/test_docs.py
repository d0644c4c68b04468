"""What the pages say, asked of the programme; see README.md beside this file."""
import glob
import os
import re
import subprocess
import time
import shlex

import pytest

from conftest import ROOT, run

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
        if words[:2] == ["derp", "status"]:
            text, path = run("derp", "status", "--help").stdout, words[:2]
        elif words[0] == "derp":
            text, path = run("derp", "--help").stdout, ["derp"]
        else:
            text, path = help_of(words)
        assert path, f"{page}:{number}: no command {words}"
        assert len(path) == 2 or not re.search(r"^  headscale \S+ COMMAND", text, re.M), f"{page}:{number}: {words}: which?"
        for w in words:
            if re.match(r"--?[a-z]", w):
                flag = re.escape(w.split("=")[0])
                assert re.search(rf"(^|[\s,]){flag}\b", text, re.M), f"{page}:{number}: {' '.join(path)} has no {w}"


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


@pytest.fixture
def metrics(stopped):
    """All there is: with the relay, and with a provider that does not answer."""
    stopped.config["oidc"] = {"issuer": "http://127.0.0.1:1", "client_id": "x", "client_secret": "x",
                              "only_start_if_oidc_is_available": False}
    pair = [os.path.join(stopped.folder, n) for n in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=hs.test", "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    stopped.config["tls_cert_path"], stopped.config["tls_key_path"] = pair
    stopped.write_config()
    stopped.start()
    return stopped.get("/metrics", stopped.metrics)[2]


def test_metrics_have_the_names_that_are_documented(metrics):
    there = set(re.findall(r"^# TYPE (\S+)", metrics, re.M))
    assert documented() == there
    used = set(re.findall(r"\b(?:headscale|process)_\w+", read("packaging/grafana-dashboard.json")))
    assert used and {re.sub(r"_bucket$", "", n) for n in used} <= there


def test_events_are_those_that_are_documented(metrics):
    there = set(re.findall(r'event="(\w+)"', metrics))
    values = re.findall(r"^Values of `event`(.*?)\n\n", read("docs/metrics.md"), re.M | re.S)
    assert set(re.findall(r"`(\w+)`", " ".join(values))) == there


def test_figures_are_plausible(metrics):
    """Those that are computed for the page alone."""
    v = {m[0]: float(m[1]) for m in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", metrics, re.M)}
    assert 29 * 86400 < v["headscale_certificate_expiry_timestamp_seconds"] - time.time() < 31 * 86400
    assert v["headscale_certificate_renewal_failures"] == 0
    assert v["headscale_commit_duration_seconds_count"] == v["headscale_commits_total"]
    assert v['headscale_commit_duration_seconds_bucket{le="+Inf"}'] == v["headscale_commit_duration_seconds_count"]
    assert 0 <= time.time() - v["process_start_time_seconds"] < 60
    assert 5 < v["process_open_fds"] < v["process_max_fds"] and v["process_cpu_seconds_total"] > 0
    assert v["process_virtual_memory_bytes"] > v["process_resident_memory_bytes"] > 1 << 20
    assert v['headscale_memory_bytes{kind="heap_used"}'] == v["headscale_heap_bytes"]


def test_debug_pages_answer(server):
    for path in re.findall(r"127\.0\.0\.1:9090(/\S*)", read("docs/metrics.md")):
        if "netmap" not in path:
            assert server.get(path, server.metrics)[0] == 200, path
