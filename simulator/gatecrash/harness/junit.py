"""A proof as JUnit XML, the report that CI servers read."""

from xml.etree import ElementTree as xml

from gatecrash.harness import sequence
from gatecrash.harness.explore.verdict import INTERRUPTED
from gatecrash.harness.oracles import Violation
from gatecrash.harness.oracles.causes import cause_of
from gatecrash.harness.prove import LeftOut, NotPlayed, Proof
from gatecrash.harness.run import Outcome
from gatecrash.harness.timeline import folded, timeline


def render(proof: Proof) -> str:
    """A test suite with a test case per story. What was left out is skipped, with the reason; what ought to have been played and
    was not is an error, or skipped where the run was stopped. A proof that is incomplete says so in a property.
    """
    failed = [outcome for outcome in proof.outcomes if outcome.violations]
    errors = [each for each in proof.not_played if each.reason != INTERRUPTED]
    stopped = (each for each in proof.not_played if each.reason == INTERRUPTED)
    skipped: list[LeftOut | NotPlayed] = [*proof.left_out, *stopped]
    suite = xml.Element(
        "testsuite", name=f"gatecrash prove {proof.merchant}", tests=str(len(proof.outcomes) + len(errors) + len(skipped)),
        failures=str(len(failed)), errors=str(len(errors)), skipped=str(len(skipped)), time=f"{proof.seconds:.3f}",
    )  # fmt: skip
    _properties(suite, proof)
    for outcome in proof.outcomes:
        case = xml.SubElement(
            suite, "testcase", classname=f"gatecrash.{proof.merchant}", name=outcome.story.name, time=f"{outcome.seconds:.3f}"
        )
        if outcome.violations:
            codes = ", ".join(dict.fromkeys(each.oracle for each in outcome.violations))
            failure = xml.SubElement(case, "failure", type=codes, message=_printable(outcome.violations[0].message))
            told = [line for each in outcome.violations for line in _told(outcome, each)]
            failure.text = _printable("\n".join([*told, "", *sequence.text(folded(timeline(outcome.history)))]))
    for each in (*errors, *skipped):
        case = xml.SubElement(suite, "testcase", classname=f"gatecrash.{proof.merchant}", name=each.story.name, time="0")
        why = xml.SubElement(case, "error" if each in errors else "skipped", message=_printable(each.reason))
        why.text = _printable(each.crash) if isinstance(each, NotPlayed) and each.crash else None
    xml.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(suite, encoding="unicode") + "\n"


def _told(outcome: Outcome, violation: Violation) -> list[str]:
    cause = cause_of(outcome.history, violation)
    why = [f"  why: {cause.says}", f"  fix: {cause.fix}"] if cause else []
    return [f"{violation.oracle}: {violation.message}", *why]


def _properties(suite: xml.Element, proof: Proof) -> None:
    told = [("incomplete", proof.incomplete)] if proof.incomplete else []
    told += [(f"not judged: {each.oracle}", each.reason) for each in proof.not_judged]
    if told:
        properties = xml.SubElement(suite, "properties")
        for name, value in told:
            xml.SubElement(properties, "property", name=name, value=_printable(value))


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(each for each in text if each in "\t\n\r" or each >= " ")
