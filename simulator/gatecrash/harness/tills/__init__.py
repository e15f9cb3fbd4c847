"""Tills: the customer's and the harness's hands at a gateway, one file for each dialect."""

from collections.abc import Mapping

from gatecrash.harness.tills.native import NativeTill
from gatecrash.harness.tills.till import Till

#: The till of each dialect by its name.
TILLS: Mapping[str, type[Till]] = {"native": NativeTill}
