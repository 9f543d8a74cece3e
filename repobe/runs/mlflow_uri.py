"""Addresses of servers and databases: without a password, because commands, logs and records show them."""

import re
from urllib.parse import urlsplit

# In the query or the fragment of an address.
SECRET = re.compile(r"(?i)([?&#](?:[\w.-]*(?:password|passwd|pwd|pass|token|secret|key|auth|credentials?))=)[^&#\s]*")


def without_password(uri: str | None) -> str | None:
    """The address of MLflow; ValueError, which does not repeat it, if it holds a password."""
    try:
        password = urlsplit(uri or "").password
    except ValueError as error:
        raise ValueError(f"the address of MLflow cannot be read ({error})") from None
    if password is not None or masked(uri or "") != (uri or ""):  # a password may hold what ends a host
        raise ValueError(
            "the address of MLflow holds a password, which commands, logs and records would show; set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment, or the whole address as "
            "MLFLOW_TRACKING_URI, with mlflow_uri: null"
        )
    return uri


def masked(text: str) -> str:
    """The text with *** for the password of every address in it, before the host or in the query."""
    return SECRET.sub(r"\1***", re.sub(r"(\w://[^\s:/@]*:)\S*(?=@)", r"\1***", text))
