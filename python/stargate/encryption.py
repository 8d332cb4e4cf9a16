"""Provides the keys of end-to-end encryption; docs/encryption.md describes the format and its compatibility."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

Pem: TypeAlias = bytes | str | os.PathLike[str]
"""A key in PEM, as bytes; or the path of its file, as `str` or `Path`."""


class EncryptionKeyInfo:
    """A key in PEM, and the metadata that go with it; Pulsar's `EncryptionKeyInfo`.

    The metadata of a public key travel with each message, not encrypted, and are passed to
    `CryptoKeyReader.private_key`. Those of a private key are not used. The key is never printed.

    Examples:
        >>> stargate.EncryptionKeyInfo(b"-----BEGIN PUBLIC KEY-----...", {"version": "3"})
        <EncryptionKeyInfo {'version': '3'}>
    """

    __slots__ = ("key", "metadata")

    def __init__(self, key: bytes, metadata: Mapping[str, str] | None = None) -> None:
        self.key: bytes = key
        self.metadata: dict[str, str] = dict(metadata or {})

    def __repr__(self) -> str:
        return f"<EncryptionKeyInfo {self.metadata}>"


@runtime_checkable
class CryptoKeyReader(Protocol):
    """Gives the keys of end-to-end encryption by their names; Pulsar's `CryptoKeyReader`.

    Given to a producer or a consumer as `crypto_key_reader`. It runs on a thread of stargate, one call at a time, and
    may block. An exception is logged, and is the reason in the error or the log record that follows.

    Examples:
        >>> class Vault:
        ...     def public_key(self, name: str) -> stargate.EncryptionKeyInfo:
        ...         return stargate.EncryptionKeyInfo(b"-----BEGIN PUBLIC KEY-----...", {"version": "3"})
        ...
        ...     def private_key(self, name: str, metadata: dict[str, str]) -> stargate.EncryptionKeyInfo:
        ...         return stargate.EncryptionKeyInfo(b"-----BEGIN PRIVATE KEY-----..." + metadata["version"].encode())
        >>> isinstance(Vault(), stargate.CryptoKeyReader)
        True
        >>> Vault().public_key("billing").metadata, Vault().private_key("billing", {"version": "3"})
        ({'version': '3'}, <EncryptionKeyInfo {}>)
    """

    def public_key(self, name: str, /) -> EncryptionKeyInfo:
        """Return the public key to encrypt with; called when a producer is opened, and for each new data key."""
        ...

    def private_key(self, name: str, metadata: dict[str, str], /) -> EncryptionKeyInfo:
        """Return the private key to decrypt with, by the name and the metadata of a message."""
        ...


class PemKeyReader:
    """A key reader over PEM texts and files, by name. It reads a file each time, so you can replace keys.

    Examples:
        >>> keys = stargate.PemKeyReader(public_keys={"k": "billing.pub.pem"}, private_keys={"k": b"-----BEGIN..."})
        >>> keys
        <PemKeyReader public=['k'] private=['k']>
        >>> keys.private_key("k", {}).key
        b'-----BEGIN...'
        >>> keys.public_key("other")
        Traceback (most recent call last):
        LookupError: there is no public key 'other'
    """

    def __init__(
        self, *, public_keys: Mapping[str, Pem] | None = None, private_keys: Mapping[str, Pem] | None = None
    ) -> None:
        self._public: dict[str, Pem] = dict(public_keys or {})
        self._private: dict[str, Pem] = dict(private_keys or {})

    def public_key(self, name: str, /) -> EncryptionKeyInfo:
        """Return the public key of this name."""
        return _read(self._public, name, "public")

    def private_key(self, name: str, metadata: dict[str, str], /) -> EncryptionKeyInfo:  # noqa: ARG002
        """Return the private key of this name, whatever the metadata."""
        return _read(self._private, name, "private")

    def __repr__(self) -> str:
        return f"<PemKeyReader public={sorted(self._public)} private={sorted(self._private)}>"


def _read(keys: Mapping[str, Pem], name: str, half: str) -> EncryptionKeyInfo:
    pem = keys.get(name)
    if pem is None:
        raise LookupError(f"there is no {half} key {name!r}")
    return EncryptionKeyInfo(pem if isinstance(pem, bytes) else Path(pem).read_bytes())
