"""`python -m gatecrash` is `gatecrash`."""

from gatecrash.cli import main

main(prog_name="gatecrash")
