"""The key-value store of OpenBao or Vault (version 2 of the engine), over HTTP."""
from __future__ import annotations

import http.client
import json
import os
from urllib import request


class VaultError(Exception):
    """The vault did not keep a secret."""


class Vault:
    """`VAULT_ADDR` and `VAULT_TOKEN` name the server and the token, `VAULT_MOUNT` the engine (`dbsecrets`)."""

    def __init__(self) -> None:
        self.address, self.token = os.environ["VAULT_ADDR"].rstrip("/"), os.environ["VAULT_TOKEN"]
        self.mount = os.getenv("VAULT_MOUNT", "dbsecrets")

    def id(self, name: str) -> str:
        """The id of the secret with this name."""
        return f"{self.mount}/data/{name}"

    def write(self, id: str, secret: dict[str, str]) -> None:
        """Keeps a secret. If there is one with this id, the vault makes it a new version."""
        asked = request.Request(f"{self.address}/v1/{id}", json.dumps({"data": secret}).encode(), method="POST")
        asked.add_unredirected_header("X-Vault-Token", self.token)
        try:
            with request.build_opener(request.ProxyHandler({})).open(asked, timeout=30):
                pass
        except (OSError, http.client.HTTPException) as error:
            raise VaultError(f"{id}: {error}") from None
