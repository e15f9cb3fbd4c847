"""Certificates of the user's own that https receivers may show."""

import ssl
from pathlib import Path


def checked(file: Path) -> Path:
    """The absolute path of a PEM file that holds certificates. Raises ValueError, whose text says what the file was."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError as error:
        raise ValueError(f"was {file}, which holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).") from error
    except OSError as error:
        raise ValueError(f"was {file}, which cannot be read: {error.strerror}; give a PEM file of certificates.") from error
    return file.absolute()
