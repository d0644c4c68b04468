"""Behind a reverse proxy: nginx, HAProxy and Caddy with the configurations of docs/reverse-proxies.md, word for word.

The proxy stands in the server's namespace, holds the certificate and listens on port 443; the server speaks plain HTTP
on the loopback address. Only the name of the example is replaced by the lab's, and what the page leaves to the reader
(where `server` stands in nginx, whose certificate Caddy shows) is put around."""
import os
import re
import shutil
import textwrap

import pytest

from lab import DOMAIN, HOST, NEW, OLD, ROOT, URL, until

DIRECT = "http://127.0.0.1:8080"
PROXIES = {"nginx": "nginx", "HAProxy": "haproxy", "Caddy": "caddy"}
UPGRADE = ["--http1.1", "-X", "POST", "-H", "Upgrade: tailscale-control-protocol", "-H", "Connection: upgrade"]
DROPPED = "this path needs an HTTP upgrade; a proxy in front of this server may be dropping the Upgrade header"


def example(section):
    """The first indented block under the heading `section`, "" for what stands before all; with the lab's name."""
    with open(os.path.join(ROOT, "docs", "reverse-proxies.md")) as f:
        text = f.read()
    parts = re.split(r"^## (.*)$", text, flags=re.M)
    text = parts[0] if not section else parts[parts.index(section) + 1]
    block = re.search(r"(?:^(?: {4}.*)?\n)*^ {4}.*\n", text, re.M).group(0)
    return textwrap.dedent(block).strip("\n").replace("headscale.example.com", HOST) + "\n"


class Proxied:
    """A lab whose server stands behind `name`, with the page's server settings. `change` edits the proxy's configuration."""

    def __init__(self, make_lab, name, change=lambda text: text):
        if not shutil.which(PROXIES[name]):
            pytest.skip(f"{PROXIES[name]} is not installed")
        self.name = name
        self.lab = make_lab(start=False)
        self.server = s = self.lab.server
        for key in ("server_url", "listen_addr", "tls_cert_path", "tls_key_path"):
            del s.config[key]
        write = s.write_config

        def write_config():
            write()
            with open(s.path, "a") as f:
                f.write(example(""))
        s.write_config = write_config
        s.start()
        getattr(self, PROXIES[name])(change(example(name)))
        until(f"{name} answers", lambda: s.http("/health", "-o", "/dev/null", "-w", "%{http_code}").stdout == "200")

    def file(self, name, text):
        path = os.path.join(self.server.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def certificate(self, *names):
        """Put the lab's certificate where the page says, in the private /etc; one name: with the key behind it."""
        sources = [[self.lab.cert], [self.lab.key]] if len(names) == 2 else [[self.lab.cert, self.lab.key]]
        for name, parts in zip(names, sources):
            path = os.path.join(self.server.dir, "etc", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                for p in parts:
                    f.write(open(p).read())

    def nginx(self, text):
        self.certificate("ssl/headscale/fullchain.pem", "ssl/headscale/privkey.pem")
        d = self.server.dir
        folders = "".join(f"{kind}_temp_path {d}/nginx-{kind};\n" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.file("nginx.conf", f"user root;\nworker_processes 1;\ndaemon off;\npid {d}/nginx.pid;\nevents {{}}\n"
                                       f"http {{\naccess_log {d}/nginx-access.log;\n{folders}{text}}}\n")
        self.server.spawn("nginx", "-e", "stderr", "-c", path, log="nginx.log")

    def haproxy(self, text):
        self.certificate("haproxy/headscale.pem")
        self.server.spawn("haproxy", "-db", "-f", self.file("haproxy.cfg", text), log="haproxy.log")

    def caddy(self, text):
        own = f"    tls {self.lab.cert} {self.lab.key}\n"
        head, rest = text.split("\n", 1)
        path = self.file("Caddyfile", f"{{\n    admin off\n}}\n{head}\n{own}{rest}")
        self.server.spawn("caddy", "run", "--adapter", "caddyfile", "--config", path, log="caddy.log")

    def seen_from(self, path):
        """The addresses that the server's log names for requests of `path`."""
        return set(re.findall(rf" http request id=\S+ method=\S+ path=\"?{re.escape(path)}\"? .*?remote=(\S+)", self.server.log()))


def full_maps(node):
    """How many map frames were the first of a stream."""
    m = node.metrics()
    return m["controlclient_map_response_map"] - m["controlclient_map_response_map_delta"]


@pytest.mark.parametrize("name", PROXIES)
def test_all_goes_through(make_lab, name):
    """Joining, the map stream, the relay, and whose address the server believes."""
    p = Proxied(make_lab, name)
    lab = p.lab
    n1, n2 = lab.node("n1", NEW, start=False), lab.node("n2", OLD, start=False)
    for n in (n1, n2):
        n.block_udp()
        n.start()
    n1.up(key=lab.server.auth_key("anna"))
    assert n1.self_status()["DNSName"] == f"n1.{DOMAIN}."
    lab.settle(n1, quiet=5)  # all that time the stream says nothing
    assert full_maps(n1) == 1
    n2.up(key=lab.server.auth_key("anna"))
    n1.sees_online("n2")
    assert full_maps(n1) == 1, "another stream"
    n2.sees_online("n1")
    assert "via DERP" in n1.ping(n2.ip4, direct=False)
    n2.listen(80)
    n1.reaches(n2.ip4, 80, "n2")

    both = {n1.lan, n2.lan}
    for path in ("/key", "/derp", "/machine/register", "/machine/map"):
        until(f"the log says who asked for {path}", lambda path=path: p.seen_from(path) == both)
    forged = [x for h in ("True-Client-IP", "X-Real-IP", "X-Forwarded-For") for x in ("-H", f"{h}: 192.0.2.1")]
    n1.run("curl", "-sS", "--max-time", "10", *forged, URL + "/robots.txt")
    until("the log says who asked", lambda: p.seen_from("/robots.txt") == {n1.lan})


@pytest.mark.parametrize("name", PROXIES)
def test_the_check_of_the_page(make_lab, name):
    """What the page tells to compare: the answer to an upgrade is the server's own, with the proxy and without."""
    s = Proxied(make_lab, name).server

    def ask(base, *args):
        return s.run("curl", "-sS", "--max-time", "10", "-w", "%{http_code}", *args, base + "/ts2021", check=False).stdout
    want = "missing or malformed X-Tailscale-Handshake header"
    assert want in ask(URL, *UPGRADE) and ask(URL, *UPGRADE) == ask(DIRECT, *UPGRADE)
    socket = ["--http1.1", "-o", "/dev/null", "-H", "Upgrade: websocket", "-H", "Connection: upgrade",
              "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
              "-H", "Sec-WebSocket-Protocol: tailscale-control-protocol"]
    assert ask(URL, *socket) == "101", "a browser gets through as well"


def test_nginx_without_the_upgrade(make_lab):
    """The two lines left out: the server says in words what is wrong, and the client what the page says."""
    def without(text):
        short = re.sub(r"^.*proxy_set_header (Upgrade|Connection) .*\n", "", text, flags=re.M)
        assert short.count("\n") == text.count("\n") - 2
        return short
    p = Proxied(make_lab, "nginx", without)
    out = p.server.http("/ts2021", *UPGRADE, "-w", "%{http_code}").stdout
    assert DROPPED in out and out.endswith("400"), out
    n = p.lab.node("n", NEW)
    n.up(key=p.server.auth_key("anna"), check=False, timeout=2)
    until("the client says why", lambda: "unexpected HTTP response: 400" in n.log())
    assert p.server.nodes() == {}
