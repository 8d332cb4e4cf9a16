"""An OAuth2 issuer for a broker that accepts its tokens: mock-oauth2-server, with two issuers on one port.

`pulsar` gives tokens that are valid for an hour, `brief` for `BRIEF` seconds. Both know the clients `admin`, the
superuser, and `other`, which has no rights. mock-oauth2-server checks no secret, so a client with a wrong one gets a
token without a role, which the broker refuses.
"""

from __future__ import annotations

import json
from typing import Any

import credentials
from toolchain import find_extra_jars

MAIN_CLASS = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"
MEMORY = "96m"
AUDIENCE = "pulsar"
SECRETS = {name: f"secret of {name}" for name in (credentials.SUPERUSER, credentials.OTHER)}
ISSUERS = ("pulsar", "brief")
BRIEF = 4
"""Seconds for which a token of the issuer `brief` is valid."""


def class_path() -> str:
    """Return the jars of the issuer."""
    return f"{find_extra_jars('issuer')}/*"


def environment(port: int) -> dict[str, str]:
    """Return the variables that the issuer reads."""
    clients = [
        {"requestParam": "client_secret", "match": secret, "claims": {"sub": name, "aud": ["${audience}"]}}
        for name, secret in SECRETS.items()
    ]
    callbacks = [
        {"issuerId": name, "tokenExpiry": BRIEF if name == "brief" else 3600, "requestMappings": clients}
        for name in ISSUERS
    ]
    config = {"interactiveLogin": False, "httpServer": "NettyWrapper", "tokenCallbacks": callbacks}
    return {"SERVER_PORT": str(port), "SERVER_HOSTNAME": "127.0.0.1", "JSON_CONFIG": json.dumps(config)}


def urls(port: int) -> dict[str, str]:
    """Return the URL of each issuer."""
    return {name: f"http://127.0.0.1:{port}/{name}" for name in ISSUERS}


def broker_settings(port: int) -> dict[str, Any]:
    """Return what a broker needs to accept the tokens."""
    return {
        "openIDAllowedTokenIssuers": ",".join(urls(port).values()),
        "openIDAllowedAudiences": AUDIENCE,
        "openIDRoleClaim": "sub",
        "openIDRequireIssuersUseHttps": "false",
    }
