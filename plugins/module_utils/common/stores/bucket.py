# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case in a bucket of S3, Azure Blob Storage or Google Cloud Storage."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import secrets
import threading
import typing as t

from ..errors import EvictError, MissingLibrary
from . import interface
from .interface import Exists, Kept, NotFound, Paths, Store, StoreUnavailable, checked, first_line, folder, library, not_installed

# What a service says of an object that a retention policy or a legal hold keeps from being replaced or deleted.
_KEPT = re.compile(
    r"BlobImmutableDueTo|retentionPolicyNotMet|objectUnderActiveHold|under active (?:temporary|event-based) hold", re.IGNORECASE
)
_AZURE_KEYS = ("ACCOUNT_KEY", "ACCESS_KEY", "SAS_TOKEN", "SAS_KEY")  # AZURE_STORAGE_…, which obstore reads itself
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class Connection:
    """One bucket's client, made at first use: reading credentials may already contact the metadata service."""

    def __init__(self, bucket: str, options: dict[str, t.Any]) -> None:
        self.bucket = bucket
        self._options = {name: value for name, value in options.items() if value and name != "url"}
        self._lock = threading.Lock()
        self._client: t.Any = None

    def client(self) -> t.Any:
        with self._lock:
            if self._client is None:
                library()
                try:
                    self._client = self._connect()
                except MissingLibrary:
                    raise
                except Exception as error:  # whatever the cloud's SDK raises for a bad profile or absent credentials
                    raise StoreUnavailable(
                        f"cannot open {self.bucket}: {first_line(str(error)) or type(error).__name__}",
                        object=self.bucket,
                        operation="open",
                        remedy="check the profile, region, role_arn and endpoint_url of the store and the credentials of the environment",
                    ) from error
            return self._client

    def _connect(self) -> t.Any:
        settings: dict[str, t.Any] = {
            "client_options": {"connect_timeout": "5s", "timeout": "20s"},
            "retry_config": {"max_retries": 4, "retry_timeout": datetime.timedelta(seconds=20)},
        }
        scheme, _slashes, rest = self.bucket.partition("://")
        connect = {"s3": self._amazon, "az": self._azure, "gs": self._google}[scheme]
        return connect(rest, settings)

    def _endpoint(self, settings: dict[str, t.Any], *variables: str) -> str:
        """The endpoint of the options or the environment, without a slash at its end; ``""`` for the cloud's own."""
        named = [self._options.get("endpoint_url"), *(os.environ.get(name) for name in variables)]
        endpoint = next((value.rstrip("/") for value in named if value), "")
        if endpoint.startswith("http://"):
            settings["client_options"]["allow_http"] = True
        return endpoint

    def _amazon(self, bucket: str, settings: dict[str, t.Any]) -> t.Any:
        from obstore.auth import boto3 as auth

        session = auth.boto3.Session(profile_name=self._options.get("profile"), region_name=self._options.get("region"))
        role = self._options.get("role_arn")
        provider: t.Callable[[], t.Any] = _assumed(auth, session, role) if role else auth.Boto3CredentialProvider(session)
        endpoint = self._endpoint(settings, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        # A bucket with object lock takes no put without a checksum.
        config: t.Any = {"region": session.region_name or "us-east-1", "checksum_algorithm": "SHA256"} | (
            {"endpoint": endpoint} if endpoint else {}
        )
        return interface.obstore.store.S3Store(bucket, config=config, credential_provider=provider, **settings)

    def _azure(self, place: str, settings: dict[str, t.Any]) -> t.Any:
        account, _slash, container = place.partition("/")
        if not any(os.environ.get(f"AZURE_STORAGE_{name}") for name in _AZURE_KEYS):
            try:
                from obstore.auth.azure import AzureCredentialProvider
            except ImportError as error:
                raise not_installed("azure-identity", "for a case in az://") from error
            settings["credential_provider"] = AzureCredentialProvider()
        endpoint = self._endpoint(settings, "AZURE_STORAGE_ENDPOINT")
        config: t.Any = {"account_name": account} | ({"endpoint": endpoint} if endpoint else {})
        return interface.obstore.store.AzureStore(container, config=config, **settings)

    def _google(self, bucket: str, settings: dict[str, t.Any]) -> t.Any:
        endpoint = self._endpoint(settings, "STORAGE_EMULATOR_HOST")
        if endpoint and endpoint == os.environ.get("STORAGE_EMULATOR_HOST", "").rstrip(
            "/"
        ):  # an emulator asks for no credentials; obstore would look for some on the network
            provider: t.Any = _no_credentials
        else:
            try:
                from obstore.auth import google as auth
            except ImportError as error:
                raise not_installed("google-auth and requests", "for a case in gs://") from error
            found, _project = auth.google.auth.default(scopes=[_GOOGLE_SCOPE])
            provider = auth.GoogleCredentialProvider(found)
        config: t.Any = {"base_url": endpoint} if endpoint else {}
        return interface.obstore.store.GCSStore(bucket, config=config, credential_provider=provider, **settings)


def _no_credentials() -> dict[str, t.Any]:
    return {"token": "emulator", "expires_at": None}


def _assumed(auth: t.Any, session: t.Any, role: str) -> t.Callable[[], t.Any]:
    """obstore's provider for a role. It hands on botocore's idea of UTC, which obstore itself does not take."""
    provider = auth.StsCredentialProvider(session, RoleArn=role, RoleSessionName="evict-cloud-store")

    def credentials() -> t.Any:
        found = provider()
        return {**found, "expires_at": found["expires_at"].astimezone(datetime.UTC)}

    return credentials


class Bucket(Store):
    """A prefix of a bucket. Create-only is the service's own condition (``If-None-Match: *`` and its like)."""

    remote = True

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self.url = f"{connection.bucket}/{prefix}".rstrip("/")

    def put(self, path: str, data: bytes) -> None:
        with self._errors("write", checked(path)) as (client, key):
            interface.obstore.put(client, key, data, mode="create")

    def replace(self, path: str, data: bytes) -> None:
        with self._errors("write", checked(path)) as (client, key):
            interface.obstore.put(client, key, data, mode="overwrite")

    def get(self, path: str) -> bytes:
        with self._errors("read", checked(path)) as (client, key):
            return bytes(interface.obstore.get(client, key).bytes())

    def list(self, prefix: str = "") -> Paths:
        cut = len(self._prefix) + 1 if self._prefix else 0
        try:
            with self._errors("list", folder(prefix)) as (client, key):
                return sorted(entry["path"][cut:] for page in interface.obstore.list(client, key or None) for entry in page)
        except NotFound:
            return []  # no such bucket: a put will say so

    def sure(self, unless: str) -> None:
        with contextlib.suppress(NotFound):
            self.get(unless)
            return
        name = f"probe-{secrets.token_hex(8)}"
        self.keep(name, b"is it there still?")
        try:
            self.put(name, b"it is not")
        except Exists:
            return
        finally:
            with contextlib.suppress(EvictError):  # a store with object lock keeps it
                self.delete(name)
        raise StoreUnavailable(
            f"{self.url} overwrites what is there, though it was asked to create only (If-None-Match): two runs would overwrite each other's records",
            object=self.url, operation="write", remedy="choose a store that knows create-only puts, or have its server updated",
        )  # fmt: skip

    def delete(self, path: str) -> None:
        with contextlib.suppress(NotFound), self._errors("delete", checked(path)) as (client, key):
            interface.obstore.delete(client, key)

    def written(self, path: str) -> datetime.datetime | None:
        with self._errors("read", checked(path)) as (client, key):
            found = interface.obstore.head(client, key)["last_modified"]
            return found if isinstance(found, datetime.datetime) and found.tzinfo else None

    def child(self, name: str) -> Store:
        return Bucket(self._connection, f"{self._prefix}/{checked(name)}".lstrip("/"))

    @contextlib.contextmanager
    def _errors(self, operation: str, path: str) -> t.Iterator[tuple[t.Any, str]]:
        key = "/".join(part for part in (self._prefix, path) if part)
        where = f"{self.url}/{path}".rstrip("/")
        client = self._connection.client()
        try:
            yield client, key
        except interface.obstore.exceptions.AlreadyExistsError as error:
            raise Exists(f"{where}: exists already", object=where, operation=operation) from error
        except Exception as error:  # obstore's types and what the credential providers let through
            if operation != "write" and (
                isinstance(error, FileNotFoundError) or " 404 Not Found" in str(error)
            ):  # the object, or its bucket
                raise NotFound(f"{where}: not found", object=where, operation=operation) from error
            if _KEPT.search(str(error)):
                raise Kept(
                    f"cannot {operation} {where}: a retention policy keeps it as it is",
                    object=where,
                    operation=operation,
                    remedy="switch versioning on for the bucket, so that an object can be replaced while its old version is kept",
                ) from error
            raise StoreUnavailable(
                f"cannot {operation} {where}: {first_line(str(error)) or type(error).__name__}",
                object=where,
                operation=operation,
                remedy="check that the bucket exists, that the credentials may read and write it and that it can be reached, or choose another store",
            ) from error
