"""Write a database as the Go headscale leaves it, from the rows a test gives.

The tables are those of its version 0.30 on SQLite. The keys below are test vectors: throw-away secrets and the hashes that
it stores for them.
"""
import json
import sqlite3

AUTH_KEY = "hskey-auth-3bb0af015354-0160280f21b202eac9ccc0ffd69f5d7b24bfb233931e2bee5be57bc32913fbe0"
AUTH_HASH = b"$2a$10$Qq8VRhgDMfh1SmSQDX5QDekuRwItDLSUW3TPjcmvEt.M8MYSqG982"
API_KEY = "hskey-api-67f974a4c485-8ae9aafbcc416cf89004dc9515d48ddadadfa58be05c49174b5d7deec81c1052"
API_HASH = b"$2a$10$/CgQEMv5SpoHxCLBz7ROYexTBO3l4NmsziObxQTIZWLR746Bv/9QW"

MIGRATIONS = """SCHEMA_INIT 202501221827 202501311657 202502070949 202502131714 202502171819 202505091439 202505141324
202507021200 202510311551 202511101554-drop-old-idx 202511011637-preauthkey-bcrypt 202511122344-remove-newline-index
202511131445-node-forced-tags-to-tags 202601121700-migrate-hostinfo-request-tags 202602201200-clear-tagged-node-user-id
202605221435-clear-zero-time-node-expiry 202606181200-recover-null-tags-node-user-id 202606191500-api-key-user-id
202606191501-pre-auth-key-description 202606201200-pre-auth-key-revoked 202606211200-oauth-clients-and-tokens""".split()

ID = "id integer PRIMARY KEY AUTOINCREMENT"
TABLES = {
    "database_versions": f"{ID}, version text NOT NULL, updated_at datetime",
    "migrations": "id text, PRIMARY KEY (id)",
    "users": f"{ID}, created_at datetime, updated_at datetime, deleted_at datetime, name text, display_name text, email text, "
             "provider_identifier text, provider text, profile_pic_url text",
    "pre_auth_keys": f"{ID}, key text, prefix text, hash blob, user_id integer, description text, reusable numeric, "
                     "ephemeral numeric DEFAULT false, used numeric DEFAULT false, tags text, created_at datetime, "
                     "expiration datetime, revoked datetime, CONSTRAINT fk_pre_auth_keys_user FOREIGN KEY (user_id) "
                     "REFERENCES users(id) ON DELETE SET NULL",
    "api_keys": f"{ID}, prefix text, hash blob, user_id integer, created_at datetime, expiration datetime, last_seen datetime",
    "nodes": f"{ID}, machine_key text, node_key text, disco_key text, endpoints text, host_info text, ipv4 text, ipv6 text, "
             "hostname text, given_name varchar(63), user_id integer, register_method text, tags text, auth_key_id integer, "
             "expiry datetime, last_seen datetime, approved_routes text, created_at datetime, updated_at datetime, "
             "deleted_at datetime, CONSTRAINT fk_nodes_user FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE, "
             "CONSTRAINT fk_nodes_auth_key FOREIGN KEY (auth_key_id) REFERENCES pre_auth_keys(id)",
    "policies": f"{ID}, created_at datetime, updated_at datetime, deleted_at datetime, data text",
    "oauth_clients": f"{ID}, client_id text, secret_hash blob, scopes text, tags text, description text, user_id integer, "
                     "created_at datetime, revoked datetime",
    "oauth_access_tokens": f"{ID}, prefix text, hash blob, client_id text, scopes text, tags text, expiration datetime, "
                           "created_at datetime",
}
INDEXES = """CREATE INDEX idx_users_deleted_at ON users(deleted_at);
CREATE UNIQUE INDEX idx_api_keys_prefix ON api_keys(prefix);
CREATE INDEX idx_policies_deleted_at ON policies(deleted_at);
CREATE UNIQUE INDEX idx_provider_identifier ON users(provider_identifier) WHERE provider_identifier IS NOT NULL;
CREATE UNIQUE INDEX idx_name_provider_identifier ON users(name, provider_identifier);
CREATE UNIQUE INDEX idx_name_no_provider_identifier ON users(name) WHERE provider_identifier IS NULL;
CREATE UNIQUE INDEX idx_pre_auth_keys_prefix ON pre_auth_keys(prefix) WHERE prefix IS NOT NULL AND prefix != '';
CREATE UNIQUE INDEX idx_oauth_clients_client_id ON oauth_clients(client_id);
CREATE UNIQUE INDEX idx_oauth_access_tokens_prefix ON oauth_access_tokens(prefix);"""
THEN, LATER = "2026-01-02 03:04:05.678901234+00:00", "2099-01-02 03:04:05+00:00"


def write(path, rows):
    """Make the database at `path` with `rows`, a dict from table to a list of dicts."""
    db = sqlite3.connect(path)
    for name, columns in TABLES.items():
        db.execute(f"CREATE TABLE {name} ({columns})")
    db.executescript(INDEXES)
    rows = {"migrations": [{"id": m} for m in MIGRATIONS],
            "database_versions": [{"id": 1, "version": "v0.30.0", "updated_at": THEN}], **rows}
    for table, list_ in rows.items():
        for row in list_:
            if table not in ("migrations", "database_versions", "oauth_access_tokens"):
                row = {"created_at": THEN, **row}
            row = {k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in row.items()}
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    db.commit()
    db.close()
