"""The calls that consoles and clients of others make, as they make them, and the members that they read.

Seen in Headplane (July 2026), headscale-ui (March 2026), headscale-admin (March 2025) and the Terraform provider of awlsring
(March 2026). A call is (method, path, body, members read). In paths and bodies, {name} is what a call before kept.
A body is sent as it is: Headplane and the provider say application/json, the two that run in a browser send text/plain.
"""
import http.client
import json
import urllib.request

import pytest

AUTH = "hskey-authreq-000000000000000000000001"

USER = ("id", "name", "createdAt", "displayName", "email", "providerId", "provider", "profilePicUrl")
NODE = ("id", "machineKey", "nodeKey", "discoKey", "ipAddresses", "name", "user.id", "user.name", "lastSeen", "createdAt",
        "registerMethod", "givenName", "online", "approvedRoutes", "availableRoutes", "subnetRoutes", "tags")
PREAUTH = ("user.id", "id", "key", "reusable", "ephemeral", "used", "expiration", "createdAt", "aclTags")
API_KEY = ("id", "prefix", "expiration", "createdAt")


def of(name, members):
    return tuple(f"{name}.{m}" for m in members)


HEADPLANE = [
    ("GET", "/version", None, ("version",)),
    ("GET", "/health", None, ("status",)),
    ("GET", "/api/v1/apikey", None, of("apiKeys.0", API_KEY)),
    ("POST", "/api/v1/user", {"name": "anna", "email": "a@b.test", "displayName": "Anna"}, of("user", USER)),
    ("GET", "/api/v1/user", None, of("users.0", USER)),
    ("GET", "/api/v1/user?name=anna", None, of("users.0", USER)),
    ("POST", "/api/v1/user/1/rename/anne%2Dmarie", None, of("user", USER)),
    ("POST", "/api/v1/user/1/rename/anna", None, ()),
    ("POST", f"/api/v1/node/register?user=anna&key={AUTH}", {"user": "anna", "key": AUTH}, of("node", NODE)),
    ("GET", "/api/v1/node", None, of("nodes.0", NODE)),
    ("GET", "/api/v1/node/1", None, of("node", NODE)),
    ("POST", "/api/v1/node/1/approve_routes", {"routes": ["10.0.0.0/24", "0.0.0.0/0"]}, ()),
    ("POST", "/api/v1/node/1/rename/box%2Dtwo", None, ()),
    ("PUT", "/api/v1/policy", {"policy": '{"tagOwners": {"tag:web": ["anna@"]}}'}, ("policy", "updatedAt")),
    ("GET", "/api/v1/policy", None, ("policy", "updatedAt")),
    ("POST", "/api/v1/preauthkey", {"ephemeral": False, "reusable": True, "expiration": None, "user": "1"}, of("preAuthKey", PREAUTH)),
    ("POST", "/api/v1/preauthkey",
     {"ephemeral": False, "reusable": True, "expiration": "2099-01-01T00:00:00.000Z", "aclTags": ["tag:web"]},
     of("preAuthKey", PREAUTH[1:])),
    ("GET", "/api/v1/preauthkey", None, of("preAuthKeys.0", PREAUTH)),
    ("GET", "/api/v1/preauthkey?user=1", None, of("preAuthKeys.0", PREAUTH)),
    ("POST", "/api/v1/preauthkey/expire", {"id": "{preAuthKeys.0.id}"}, ()),
    ("POST", "/api/v1/node/1/expire", None, ()),
    ("POST", "/api/v1/node/1/tags", {"tags": ["tag:web"]}, ()),
    ("DELETE", "/api/v1/node/1", None, ()),
    ("DELETE", "/api/v1/user/1", None, ()),
]

HEADSCALE_UI = [
    ("POST", "/api/v1/user", {"name": "anna"}, of("user", USER)),
    ("GET", "/api/v1/user", None, of("users.0", USER)),
    ("POST", "/api/v1/user", {"name": "berta"}, ()),
    ("POST", "/api/v1/user/1/rename/anne", None, ()),
    ("POST", f"/api/v1/node/register?user=anne&key={AUTH}", None, ()),
    ("GET", "/api/v1/node", None, of("nodes.0", NODE)),
    ("POST", "/api/v1/node/1/user", {"user": 2}, ()),
    ("POST", "/api/v1/node/1/rename/desk", None, ()),
    ("POST", "/api/v1/node/1/approve_routes", {"routes": ["10.0.0.0/24"]}, of("node", NODE)),
    ("POST", "/api/v1/node/1/tags", {"tags": ["tag:web"]}, ()),
    ("POST", "/api/v1/preauthkey", {"user": "1", "expiration": "2099-01-01T00:00:00.000Z", "reusable": False, "ephemeral": True}, ()),
    ("GET", "/api/v1/preauthkey?user=1", None, of("preAuthKeys.0", PREAUTH)),
    ("POST", "/api/v1/preauthkey/expire", {"user": "1", "key": "{preAuthKeys.0.key}"}, ()),
    ("GET", "/api/v1/apikey", None, of("apiKeys.0", API_KEY)),
    ("POST", "/api/v1/apikey", {"expiration": "2099-01-01T00:00:00.000Z"}, ("apiKey",)),
    ("GET", "/api/v1/apikey", None, ("apiKeys.1.prefix",)),
    ("POST", "/api/v1/apikey/expire", {"prefix": "{apiKeys.1.prefix}"}, ()),
    ("DELETE", "/api/v1/node/1", None, ()),
    ("DELETE", "/api/v1/user/1", None, ()),
]

HEADSCALE_ADMIN = [
    ("POST", "/api/v1/user", {"name": "anna"}, of("user", USER)),
    ("POST", "/api/v1/user", {"name": "berta"}, ()),
    ("GET", "/api/v1/user?id=1", None, of("users.0", USER)),
    ("POST", f"/api/v1/node/register?user=anna&key={AUTH}", {}, of("node", NODE)),
    ("GET", "/api/v1/node", None, of("nodes.0", NODE)),
    ("POST", "/api/v1/node/1/user", {"user": "2"}, ("node.user.name",)),
    ("POST", "/api/v1/node/1/rename/desk", {}, ("node.givenName",)),
    ("POST", "/api/v1/node/1/tags", {"tags": ["tag:web"]}, ("node.tags",)),
    ("POST", "/api/v1/preauthkey", {"user": "anna", "reusable": True, "ephemeral": False, "expiration": "2099-01-01T00:00:00.000Z"},
     of("preAuthKey", PREAUTH)),
    ("GET", "/api/v1/preauthkey?user=anna", None, of("preAuthKeys.0", PREAUTH)),
    ("POST", "/api/v1/preauthkey/expire", {"user": {"id": "1", "name": "anna"}, "key": "{preAuthKeys.0.key}"}, ()),
    ("POST", "/api/v1/apikey", {"expiration": "2099-01-01T00:00:00.000Z"}, ("apiKey",)),
    ("POST", "/api/v1/apikey/expire", {"prefix": "{apiKey}"}, ()),
    ("PUT", "/api/v1/policy", {"policy": '{\n    "acls": []\n}'}, ("policy",)),
    ("GET", "/api/v1/policy", None, ("policy",)),
    ("POST", "/api/v1/node/1/expire", {}, ("node.expiry",)),
    ("POST", "/api/v1/user/1/rename/anne", {}, ("user.name",)),
    ("DELETE", "/api/v1/node/1", None, ()),
    ("DELETE", "/api/v1/user/1", None, ()),
]

TERRAFORM = [
    ("POST", "/api/v1/user", {"name": "anna", "displayName": "Anna", "email": "a@b.test", "pictureUrl": "https://b.test/a.png"},
     of("user", USER)),
    ("GET", "/api/v1/user?name=anna", None, of("users.0", USER)),
    ("POST", "/api/v1/preauthkey",
     {"aclTags": None, "user": "1", "expiration": "2099-01-01T00:00:00.000Z", "reusable": True}, of("preAuthKey", PREAUTH)),
    ("POST", "/api/v1/preauthkey/expire", {"id": "{preAuthKey.id}"}, ()),
    ("DELETE", "/api/v1/preauthkey?id={preAuthKey.id}", None, ()),
    ("POST", "/api/v1/apikey", {"expiration": "2099-01-01T00:00:00.000Z"}, ("apiKey",)),
    ("GET", "/api/v1/apikey", None, of("apiKeys.1", API_KEY)),
    ("POST", "/api/v1/apikey/expire", {"prefix": "{apiKeys.1.prefix}"}, ()),
    ("POST", f"/api/v1/node/register?user=anna&key={AUTH}", None, ()),
    ("GET", "/api/v1/node?user=anna", None, of("nodes.0", NODE)),
    ("POST", "/api/v1/node/1/approve_routes", {"routes": []}, of("node", NODE)),
    ("POST", "/api/v1/node/1/tags", {"tags": ["tag:a"]}, of("node", NODE)),
    ("POST", "/api/v1/node/backfillips?confirmed=true", None, ("changes",)),
    ("PUT", "/api/v1/policy", {"policy": "{}"}, ("policy", "updatedAt")),
    ("GET", "/api/v1/health", None, ("databaseConnectivity",)),
    ("DELETE", "/api/v1/node/1", None, ()),
    ("DELETE", "/api/v1/user/1", None, ()),
]


def member(value, path):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


class Console:
    def __init__(self, server, content_type):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self.headers = {"Accept": "application/json", "Authorization": "Bearer " + server.json("apikeys", "create")}
        self.content_type = content_type
        self.kept = {}

    def fill(self, text):
        """Put what was kept in the place of {path}."""
        for path, value in self.kept.items():
            text = text.replace("{" + path + "}", value)
        return text

    def call(self, method, path, body):
        """Returns (status, answer)."""
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = self.content_type
            body = self.fill(json.dumps(body)).encode()
        self.connection.request(method, self.fill(path), body, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def keep(self, answer):
        for path in ("preAuthKeys.0.id", "preAuthKeys.0.key", "preAuthKey.id", "apiKeys.1.prefix", "apiKey"):
            try:
                self.kept[path] = member(answer, path)
            except (KeyError, IndexError):
                pass


@pytest.mark.parametrize("calls, content_type", [
    (HEADPLANE, "application/json"), (HEADSCALE_UI, "text/plain;charset=UTF-8"), (HEADSCALE_ADMIN, "text/plain;charset=UTF-8"),
    (TERRAFORM, "application/json")], ids=["headplane", "headscale-ui", "headscale-admin", "terraform"])
def test_a_console_finds_what_it_asks_for(server, calls, content_type):
    console = Console(server, content_type)
    for method, path, body, members in calls:
        if "/node/register" in path:
            someone = server.json("users", "list")[0]["name"]
            server.run("debug", "create-node", "--name", "box", "-u", someone, "-k", AUTH, "-r", "10.0.0.0/24")
        status, answer = console.call(method, path, body)
        assert status == 200, (method, path, body, answer)
        for m in members:
            try:
                assert member(answer, m) is not None, (m, answer)
            except (KeyError, IndexError, TypeError) as e:
                raise AssertionError(f"{method} {path}: no {m} in {answer}") from e
        console.keep(answer)


def test_a_bad_key_is_known_by_these_words(server):
    console = Console(server, "text/plain")
    console.headers["Authorization"] = "Bearer nonsense"
    status, answer = console.call("GET", "/api/v1/user", None)
    assert status == 401 and answer["code"] == 401 and answer["message"] == "Unauthorized"


def test_errors_have_what_older_and_newer_consoles_show(server):
    console = Console(server, "text/plain")
    for method, path, body in (("POST", "/api/v1/user", {"name": ""}), ("DELETE", "/api/v1/node/7", None),
                               ("PUT", "/api/v1/policy", {"policy": "{"})):
        status, answer = console.call(method, path, body)
        assert answer["status"] == answer["code"] == status >= 400
        assert answer["message"] and answer["detail"] and answer["title"], answer
    assert "parsing policy from bytes:" in answer["message"]
    assert console.call("GET", "/api/v1/policy", None)[1]["message"].startswith("acl policy not found")


def test_consoles_see_the_api_of_the_newest_go_server(server):
    version = json.loads(server.get("/version")[2])["version"]
    assert [int(n) for n in version.split("+")[0].split(".")] >= [0, 28, 0] and "+c" in version


def test_the_description_names_what_the_go_servers_does(server):
    """Clients generated from either call the same operations with the same names of parameters."""
    described = json.loads(server.get("/api/v1/openapi.json")[2])
    operations = {o["operationId"]: (m, p, {x["name"] for x in o["parameters"] if x["in"] == "query"}, "requestBody" in o)
                  for p, methods in described["paths"].items() for m, o in methods.items()}
    for name, (method, path, query, body) in GO_OPERATIONS.items():
        ours = operations[name]
        assert ours[:2] == (method, path) and set(query.split()) <= ours[2] and ours[3] == body, name
    # Everything that is referred to is there.
    text = json.dumps(described)
    for schema in set(part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]):
        assert schema in described["components"]["schemas"], schema


def test_what_the_description_says_can_be_read(server):
    key = server.run("apikeys", "create").stdout.strip()
    described = json.loads(server.get("/api/v1/openapi.json")[2])
    answered = 0
    for path, methods in described["paths"].items():
        if "get" not in methods or "{" in path or path == "/api/v1/policy": # there is none yet
            continue
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as r:
            answer = json.load(r)
        schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        members = set(described["components"]["schemas"][schema]["properties"])
        assert set(answer) <= members, (path, set(answer) - members)
        answered += 1
    assert answered >= 7


GO_OPERATIONS = {
    "createUser": ("post", "/api/v1/user", "", True), "listUsers": ("get", "/api/v1/user", "id name email", False),
    "renameUser": ("post", "/api/v1/user/{oldId}/rename/{newName}", "", False), "deleteUser": ("delete", "/api/v1/user/{id}", "", False),
    "listNodes": ("get", "/api/v1/node", "user", False), "getNode": ("get", "/api/v1/node/{nodeId}", "", False),
    "deleteNode": ("delete", "/api/v1/node/{nodeId}", "", False), "expireNode": ("post", "/api/v1/node/{nodeId}/expire", "", True),
    "renameNode": ("post", "/api/v1/node/{nodeId}/rename/{newName}", "", False), "setTags": ("post", "/api/v1/node/{nodeId}/tags", "", True),
    "setApprovedRoutes": ("post", "/api/v1/node/{nodeId}/approve_routes", "", True),
    "registerNode": ("post", "/api/v1/node/register", "user key", False),
    "backfillNodeIPs": ("post", "/api/v1/node/backfillips", "confirmed", False),
    "authRegister": ("post", "/api/v1/auth/register", "", True), "authApprove": ("post", "/api/v1/auth/approve", "", True),
    "authReject": ("post", "/api/v1/auth/reject", "", True),
    "createPreAuthKey": ("post", "/api/v1/preauthkey", "", True), "listPreAuthKeys": ("get", "/api/v1/preauthkey", "", False),
    "expirePreAuthKey": ("post", "/api/v1/preauthkey/expire", "", True), "deletePreAuthKey": ("delete", "/api/v1/preauthkey", "id", False),
    "createApiKey": ("post", "/api/v1/apikey", "", True), "listApiKeys": ("get", "/api/v1/apikey", "", False),
    "expireApiKey": ("post", "/api/v1/apikey/expire", "", True), "deleteApiKey": ("delete", "/api/v1/apikey/{prefix}", "", False),
    "getPolicy": ("get", "/api/v1/policy", "", False), "setPolicy": ("put", "/api/v1/policy", "", True),
    "checkPolicy": ("post", "/api/v1/policy/check", "", True), "health": ("get", "/api/v1/health", "", False),
    "debugCreateNode": ("post", "/api/v1/debug/node", "", True),
}


def test_a_page_of_an_allowed_origin_may_ask(stopped):
    stopped.config["server"] = {"api": {"cors_origins": ["https://console.test"]}}
    stopped.write_config()
    stopped.start()
    c = http.client.HTTPConnection("127.0.0.1", stopped.port, timeout=10)
    for origin, allowed in (("https://console.test", "https://console.test"), ("https://evil.test", None)):
        c.request("OPTIONS", "/api/v1/node/1/tags", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        r = c.getresponse()
        r.read()
        assert r.status == 204 and r.headers["Access-Control-Allow-Origin"] == allowed
        c.request("GET", "/api/v1/user", headers={"Origin": origin})
        r = c.getresponse()
        r.read()
        assert r.status == 401 and r.headers["Access-Control-Allow-Origin"] == allowed


def test_the_limit_of_requests_is_the_addresses(stopped):
    stopped.config["server"] = {"limits": {"api_requests_per_second": 3}}
    stopped.write_config()
    stopped.start()
    assert {stopped.get("/api/v1/user")[0] for _ in range(30)} == {401, 429}
    assert stopped.get("/health")[0] == 200  # only the API is counted
    for _ in range(20):
        stopped.run("users", "list")  # and not the local socket
