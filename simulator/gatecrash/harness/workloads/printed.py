"""A workload that failed as people write stories, its faults among them: to be kept as a file and played like any other."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from gatecrash.harness.explore.fault import Fault
from gatecrash.harness.worlds.simulated.points import as_rule


def as_story(document: Mapping[str, Any], schedule: Sequence[Fault], patience_s: float) -> str:
    """YAML that `gatecrash prove --stories` plays. What kills the merchant between two of its own acts is no rule of the
    gateway's, and is told in a comment.
    """
    rules = [(fault, as_rule(fault, patience_s)) for fault in schedule]
    told = [dict(rule) for _, rule in rules if rule is not None]
    untold = [f"# and: {fault} (gatecrash replay strikes it)\n" for fault, rule in rules if rule is None]
    shown: dict[str, Any] = {}
    for name, value in document.items():
        if name == "steps" and told:
            shown["faults"] = [_Inline(_plain(rule)) for rule in told]
        shown[name] = [_step(step) for step in value] if name == "steps" else _inline(value)
    return "".join(untold) + yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=130)


class _Inline(dict[str, Any]):
    """What stands on one line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Inline, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)


def _inline(value: Any) -> Any:
    return _Inline(value) if isinstance(value, Mapping) else value


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is as it would be anyway."""
    usual = {"params": {}, "nth": 1}
    return {name: value for name, value in rule.items() if usual.get(name) != value}


def _step(step: str | dict[str, Any]) -> str | dict[str, Any]:
    return step if isinstance(step, str) else {name: _inline(value) for name, value in step.items()}
