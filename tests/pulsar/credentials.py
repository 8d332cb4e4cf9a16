"""Makes certificates and tokens for a secure broker, new ones for each broker.

The folder then holds, in PEM with PKCS#8 keys:
    ca.pem                    the authority the broker and its clients trust
    server.pem, server.key    the broker, for 127.0.0.1, ::1 and localhost
    admin.pem, admin.key      a client whose role (the common name) is `admin`, the superuser
    other.pem, other.key      a client whose role is `other`, without any rights
    expired.pem, expired.key  a client that is `admin` until yesterday
    foreign.pem, foreign.key  a client that says `admin`, of an authority the broker does not know
    token.key                 the secret that signs tokens
    users                     users of HTTP Basic authentication, as `htpasswd` writes them
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from pathlib import Path

from toolchain import PulsarError, find_openssl

SUPERUSER = "admin"
OTHER = "other"
TOKEN_KEY = "token.key"
USERS = "users"
PASSWORDS = {SUPERUSER: "password of admin", OTHER: "password of other"}

_LEAF = ("basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature,keyEncipherment")
_AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
_CLIENT = (*_LEAF, "extendedKeyUsage=clientAuth")
_SERVER = (*_LEAF, "extendedKeyUsage=serverAuth", "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost")


def make_certificates(folder: Path) -> None:
    """Write every certificate and key of the table above into `folder`."""
    _certificate(folder, "ca", "stargate test authority", _AUTHORITY)
    _certificate(folder, "foreign-ca", "unknown authority", _AUTHORITY)
    _certificate(folder, "server", "localhost", _SERVER, issuer="ca")
    _certificate(folder, "admin", SUPERUSER, _CLIENT, issuer="ca")
    _certificate(folder, "other", OTHER, _CLIENT, issuer="ca")
    _certificate(folder, "expired", SUPERUSER, _CLIENT, issuer="ca")
    _expire(folder, "expired", issuer="ca")
    _certificate(folder, "foreign", SUPERUSER, _CLIENT, issuer="foreign-ca")


def make_token_key(folder: Path) -> None:
    """Write the secret that signs tokens."""
    (folder / TOKEN_KEY).write_bytes(os.urandom(32))


def tokens(folder: Path) -> dict[str, str]:
    """Return one token of each kind: admin, other, expired, wrong (signed with another key)."""
    key = (folder / TOKEN_KEY).read_bytes()
    an_hour_ago = int(time.time()) - 3600
    return {
        "admin": _token({"sub": SUPERUSER}, key),
        "other": _token({"sub": OTHER}, key),
        "expired": _token({"sub": SUPERUSER, "exp": an_hour_ago}, key),
        "wrong": _token({"sub": SUPERUSER}, key[::-1]),
    }


def make_users(folder: Path) -> None:
    """Write the file with the users, their passwords hashed as Apache does."""
    lines = []
    for user, password in PASSWORDS.items():
        command = [find_openssl(), "passwd", "-apr1", password]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PulsarError(f"openssl could not hash the password of {user}: {done.stderr.strip()}")
        lines.append(f"{user}:{done.stdout.strip()}\n")
    (folder / USERS).write_text("".join(lines))


def basic(user: str) -> str:
    """Return the value of an `Authorization` header."""
    return "Basic " + base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()


def client_certificates(folder: Path) -> dict[str, dict[str, str]]:
    """The files of each client certificate: {"admin": {"cert": ..., "key": ...}, "other": ..., "foreign": ...}."""
    names = ("admin", "other", "expired", "foreign")
    return {name: {"cert": f"{folder / name}.pem", "key": f"{folder / name}.key"} for name in names}


def _certificate(
    folder: Path, name: str, common_name: str, extensions: tuple[str, ...], issuer: str | None = None
) -> None:
    """Make NAME.key and NAME.pem, signed by `issuer` or by itself. RSA, the one kind every Pulsar component loads."""
    config = folder / f"{name}.conf"
    config.write_text("[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n" + "\n".join(extensions) + "\n")
    command: list[str | Path] = [find_openssl(), "req", "-x509", "-config", config, "-newkey", "rsa:2048", "-nodes"]
    command += ["-days", "30", "-subj", f"/CN={common_name}"]
    command += ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
    if issuer:
        command += ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key"]
    _run(command, name)
    config.unlink()


def _expire(folder: Path, name: str, issuer: str) -> None:
    """Sign NAME.pem again, with an end of validity that has passed."""
    certificate, request, extensions = (folder / f"{name}.{kind}" for kind in ("pem", "csr", "ext"))
    extensions.write_text("\n".join(_CLIENT) + "\n")
    openssl = find_openssl()
    _run([openssl, "x509", "-x509toreq", "-in", certificate, "-key", folder / f"{name}.key", "-out", request], name)
    command: list[str | Path] = [openssl, "x509", "-req", "-in", request, "-days", "-1", "-out", certificate]
    command += ["-extfile", extensions, "-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key"]
    _run(command, name)
    request.unlink()
    extensions.unlink()


def _run(command: list[str | Path], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PulsarError(f"openssl could not make the certificate {name} (version 3 is needed): {done.stderr.strip()}")


def _token(claims: dict[str, object], key: bytes) -> str:
    """Return a JSON Web Token signed with HMAC SHA-256 (RFC 7515)."""
    head, body = (_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.digest(key, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_base64url(signature)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
