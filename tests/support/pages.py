"""Pages of docs/ with tables that are told from code or schemas, each between `<!-- mark -->` and `<!-- /mark -->`."""

from collections.abc import Mapping


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with the text of each mark in its place."""
    for mark, text in tables.items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}"
    return page
