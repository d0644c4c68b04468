"""A browser that does what it is told: cookies, redirects and forms, by way of curl in a lab's space."""
import collections
import html
import json
import os
import re
import urllib.parse

Page = collections.namedtuple("Page", "status url text")


class Browser:
    """One person's browser. `name` tells it from others; cookies live in the folder of the space."""

    def __init__(self, space, name="browser"):
        self.space = space
        self.jar = os.path.join(space.dir, f"{name}.cookies")

    def open(self, url, *curl_args):
        """Ask for a URL and follow where it leads. Returns a Page: status, where it ended, what is there."""
        out = self.space.run("curl", "-sS", "-L", "--max-redirs", "10", "--max-time", "25", "-c", self.jar, "-b", self.jar, "-w",
                             "\n%{http_code} %{url_effective}", *curl_args, url).stdout
        text, last = out.rsplit("\n", 1)
        status, where = last.split(" ", 1)
        return Page(int(status), where, text)

    def step(self, url):
        """Ask for a URL and do not follow. Returns where it leads."""
        out = self.space.run("curl", "-sS", "--max-time", "25", "-c", self.jar, "-b", self.jar, "-o", "/dev/null", "-w",
                             "%{redirect_url}", url).stdout
        assert out, url
        return out

    def send(self, method, url, value):
        """What a page's script does: send a value as JSON."""
        return self.open(url, "-X", method, "-H", "Content-Type: application/json", "-d", json.dumps(value))

    def submit(self, page, **change):
        """Press the button of the page's only form; `change` replaces fields."""
        action = html.unescape(re.search(r'<form[^>]*\saction="([^"]+)"', page.text, re.I).group(1))
        fields = {}
        for tag in re.findall(r"<input[^>]*>", page.text, re.I):
            name, value = (re.search(rf'\s{a}="([^"]*)"', tag, re.I) for a in ("name", "value"))
            if name:
                fields[html.unescape(name.group(1))] = html.unescape(value.group(1)) if value else ""
        args = [x for k, v in {**fields, **change}.items() for x in ("--data-urlencode", f"{k}={v}")]
        return self.open(urllib.parse.urljoin(page.url, action), *args)
