"""`headscale derp`: a relay without a control server, in the place of derper. No network of its own is needed for most."""
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from derp_client import Client, upgrade
from lab import BINARY, until


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Alone:
    """One that runs, on a port of this machine."""

    def __init__(self, folder, *flags, tls=False, port=None):
        self.folder, self.port = str(folder), port or free_port()
        self.socket, self.log_path = os.path.join(self.folder, "st"), os.path.join(self.folder, "log")
        how = ["--certmode", "manual", "--certdir", self.folder, "--hostname", "127.0.0.1"] if tls else []
        self.log_file = open(self.log_path, "a")
        self.process = subprocess.Popen(
            [BINARY, "derp", "-a", f"127.0.0.1:{self.port}", "-c", os.path.join(self.folder, "key"), "-http-port", "-1",
             "--status-socket", self.socket, "--stun-port", str(free_port(socket.SOCK_DGRAM)), *how, *flags],
            stdout=self.log_file, stderr=self.log_file, cwd=self.folder)
        until("it serves", lambda: "relay serving" in self.log(), timeout=20)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def get(self, path, method="GET", **headers):
        req = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                     headers={k.replace("_", "-"): v for k, v in headers.items()})

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *a):
                return None
        try:
            with urllib.request.build_opener(Stay).open(req, timeout=10) as r:
                return r.status, r.headers, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read().decode()

    def status(self, *args):
        return json.loads(subprocess.check_output([BINARY, "derp", "status", "--socket", self.socket, "-i", "0", "-o", "json",
                                                   *args], text=True, timeout=20))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log()
        self.log_file.close()


@pytest.fixture
def alone(tmp_path):
    made = []

    def make(*flags, **kw):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Alone(folder, *flags, **kw))
        return made[-1]
    yield make
    for a in made:
        a.stop()


def test_flags_that_cannot_be_had_say_what_to_use():
    for flags, says in [
            (["-certmode", "gcp"], "use letsencrypt, or manual"), (["-acme-eab-kid", "x"], "Let's Encrypt"),
            (["-acme-ip-certs"], "--certmode manual"), (["-secrets-url", "x"], "--mesh-psk-file"),
            (["-unpublished-bootstrap-dns-names", "x"], "--bootstrap-dns-names"), (["-ace"], "proxy"),
            (["-verify-clients=maybe"], "true or false"), (["-stun-port", "0"], "from 1 to 65535"),
            (["-accept-connection-limit", "-1"], "above 0"), (["-tcp-user-timeout", "long"], "duration"),
            (["-home", "here"], "URL"), (["-mesh-with", "b", "-mesh-psk-file", "/nonexistent"], "/nonexistent"),
            (["-dev", "-rate-config", "/nonexistent"], "--rate-config"), (["what"], "unexpected argument"),
            (["-a", "nowhere"], "no address"), (["-hostname", "127.0.0.1", "-a", "127.0.0.1:443"], "use --certmode manual")]:
        p = subprocess.run([BINARY, "derp", *flags], capture_output=True, text=True, timeout=20, env={"PATH": "/usr/bin", "HOME": "/nonexistent"})
        assert p.returncode == 1 and says in p.stderr, (flags, p.stderr)


def test_pages_are_those_of_a_relay(alone):
    a = alone("--home", "https://example.com/relay", "--bootstrap-dns-names", "localhost")
    assert a.get("/")[0] == 302 and a.get("/")[1]["Location"] == "https://example.com/relay"
    assert a.get("/robots.txt")[2].startswith("User-agent: *")
    assert a.get("/derp/probe")[0] == 200 and a.get("/derp/probe", method="POST")[0] == 405
    assert a.get("/generate_204", X_Tailscale_Challenge="ts_127.0.0.1")[1]["X-Tailscale-Response"] == "response ts_127.0.0.1"
    assert a.get("/derp")[0] == 426
    until("names", lambda: "127.0.0.1" in json.loads(a.get("/bootstrap-dns?q=localhost")[2])["localhost"])
    assert "headscale_derp_connections 0" in a.get("/debug/varz")[2]
    assert a.get("/debug/varz", X_Forwarded_For="10.0.0.1")[0] == 403
    assert json.loads(a.get("/debug/status")[2])["relay"]["admission"] == "anybody"
    assert alone("--home", "blank").get("/")[2] == ""
    assert "This is a relay" in alone().get("/")[2]
    assert alone("--derp=false").get("/derp")[0] == 404


def test_status_is_told_on_a_socket(alone):
    a = alone()
    s = a.status()
    assert s["gauges"]["connections"] == 0 and s["connections"] == [] and s["connectionsOmitted"] == 0
    assert s["stun"] == {"success": 0, "not_stun": 0, "ipv4": 0, "ipv6": 0}
    text = subprocess.check_output([BINARY, "derp", "status", "--socket", a.socket, "-i", "50ms"], text=True, timeout=20)
    assert text.startswith("relay    [") and "0 connections of 0 nodes" in text and "now      in 0 packets/s" in text
    assert "stun     0 answers" in text
    yaml = subprocess.check_output([BINARY, "derp", "status", "--socket", a.socket, "-i", "0", "-o", "yaml"], text=True, timeout=20)
    assert "connections: []" in yaml and "admission: anybody" in yaml
    p = subprocess.run([BINARY, "derp", "status", "--socket", a.socket + "x"], capture_output=True, text=True, timeout=20)
    assert p.returncode == 1 and a.socket + "x" in p.stderr
    assert subprocess.run([BINARY, "derp", "status", "-i", "never"], capture_output=True, timeout=20).returncode == 1


def test_a_key_of_derper_is_taken_over(alone, tmp_path):
    first = alone().status()["relay"]["publicKey"]
    with open(tmp_path / "0" / "key") as f:
        private = f.read().strip()
    (tmp_path / "derper.key").write_text(json.dumps({"PrivateKey": private}))
    assert alone("-c", str(tmp_path / "derper.key")).status()["relay"]["publicKey"] == first


def test_a_relay_for_an_address_makes_a_certificate_to_be_pinned(alone):
    a = alone(tls=True)
    pin = re.search(r'CertName\\":\\"sha256-raw:([0-9a-f]{64})', a.log()).group(1)
    der = subprocess.run(["openssl", "x509", "-in", os.path.join(a.folder, "127.0.0.1.crt"), "-noout", "-fingerprint", "-sha256"],
                         capture_output=True, text=True, check=True).stdout
    assert der.split("=")[1].strip().replace(":", "").lower() == pin
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{a.port}", "-showcerts"], input="", capture_output=True,
                           text=True, timeout=20).stdout
    assert "CN = 127.0.0.1" in shown and "CN = derpkey" in shown
    assert os.stat(os.path.join(a.folder, "127.0.0.1.key")).st_mode & 0o77 == 0


def test_more_connections_than_the_limit_are_closed_and_counted(alone):
    a = alone("--accept-connection-limit", "1", "--accept-connection-burst", "3")
    open_ones, closed = [], 0
    for _ in range(10):
        s = socket.create_connection(("127.0.0.1", a.port), 5)
        s.settimeout(5)
        try:
            s.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            got = s.recv(100)
        except OSError:
            got = b""
        closed += got == b""
        open_ones.append(s)
    assert 5 <= closed <= 7, closed
    until("it goes on", lambda: a.get("/robots.txt")[0] == 200)
    for s in open_ones:
        s.close()
    time.sleep(1.1)
    refused = int(re.search(r"\nheadscale_derp_accepts_refused_total (\d+)", a.get("/debug/varz")[2]).group(1))
    assert refused >= closed


def test_rates_are_read_again_at_sighup(alone, tmp_path):
    path = tmp_path / "rates"
    path.write_text('{"PerClientRateLimitBytesPerSec": 1000000, "PerClientRateBurstBytes": 2000000}')
    a = alone("--rate-config", str(path))
    path.write_text('{"PerClientRateLimitBytesPerSec": 5}')
    a.process.send_signal(signal.SIGHUP)
    until("read", lambda: "rate limits read again bytes_per_second=5" in a.log())
    path.write_text("{")
    a.process.send_signal(signal.SIGHUP)
    until("refused", lambda: "rate limits not read" in a.log())
    assert a.status()["gauges"]["connections"] == 0


@pytest.mark.parametrize("how", ["plain", "TLS 1.2", "TLS 1.3", "WebSocket", "WebSocket by TLS"])
def test_clients_come_by_every_way(alone, how):
    a = alone(tls="TLS" in how)
    tls = ssl.TLSVersion.TLSv1_2 if how == "TLS 1.2" else ssl.TLSVersion.TLSv1_3 if "TLS" in how else None
    c, other = Client(a.port, tls, "WebSocket" in how), Client(a.port, tls)
    for n in (0, 1, 1400, 65536):
        packet = os.urandom(n)
        c.send(other, packet)
        assert other.recv() == (c.key, packet)
        other.send(c, packet)
        assert c.recv() == (other.key, packet)
    mine = next(x for x in a.status()["connections"] if x["publicKey"] == "nodekey:" + c.key.hex())
    assert mine["webSocket"] == ("WebSocket" in how) and mine["tls"] == bool(tls) and mine["packetsIn"] == 4
    assert mine["bytesOut"] == 66937 and mine["drops"] == {} and not mine["fastStart"]
    c.close()
    other.close()


def p99_ms(a, b, n=400):
    times = []
    for i in range(n):
        t = time.monotonic()
        a.send(b, b"ping")
        b.recv()
        times.append((time.monotonic() - t) * 1000)
    return sorted(times)[n * 99 // 100]


def test_bad_manners_cost_only_who_has_them(alone):
    """Half-open connections by the thousand, junk in place of logins, and readers that do not read, beside a live pair."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    a = alone()

    def rss_mb():
        with open(f"/proc/{a.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024
    live, other = Client(a.port), Client(a.port)
    quiet, memory = p99_ms(live, other), rss_mb()

    half = [upgrade(a.port)[0] for _ in range(2000)]
    for s in half[::4]:
        s.sendall(b"\x02\x00\x00\x10\x00" + b"\0" * 100) # a login that never ends
    assert a.status()["gauges"]["logins_pending"] == 2000
    assert p99_ms(live, other) < max(2 * quiet, 20)
    assert rss_mb() - memory < 100
    for s in half:
        s.close()
    junk = [b"\x02\x00\x00\x00\x78" + b"\0" * 120, b"\x02\x00\x00\x00\x78" + os.urandom(120), b"\x02\xff\xff\xff\xff",
            b"\x04\x00\x00\x00\x20" + b"x" * 32, b"\x02\x00\x00\x00\x01x"]
    before = a.status()["closes"]
    for _ in range(40):
        for j in junk:
            s = upgrade(a.port)[0]
            s.sendall(j)
            s.settimeout(10)
            while s.recv(4096):
                pass
            s.close()
    closes = a.status()["closes"]
    counted = sum(closes[k] - before[k] for k in ("bad_login", "frame_too_big", "bad_frame"))
    assert counted == 200, closes

    # Readers that never read, sent to until they are closed for it.
    deaf = [Client(a.port) for _ in range(20)]
    end = time.monotonic() + 6
    while a.status()["closes"]["write_timeout"] < 20 and time.monotonic() < end:
        for d in deaf:
            for _ in range(20):
                live.send(d, b"x" * 60000)
    assert a.status()["gauges"]["queued_bytes"] < 64e6
    assert p99_ms(live, other) < max(2 * quiet, 20)
    until("closed, with a reason", lambda: a.status()["closes"]["write_timeout"] == 20, timeout=10)
    drops = a.status()["drops"]
    with open(f"/proc/{a.process.pid}/maps") as f:
        kept = 300 if "libasan" in f.read() else 0 # the sanitizer holds back what was freed
    assert drops["queue"]["other"] > 0 and rss_mb() - memory < 300 + kept
    live.close()
    other.close()
