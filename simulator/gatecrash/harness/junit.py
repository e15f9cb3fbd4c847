"""A proof as JUnit XML, the report that CI servers read."""

from xml.etree import ElementTree as xml

from gatecrash.harness import sequence
from gatecrash.harness.prove import Proof
from gatecrash.harness.timeline import folded, timeline


def render(proof: Proof) -> str:
    """A test suite with a test case per story; what was left out is skipped, with the reason."""
    failed = [outcome for outcome in proof.outcomes if outcome.violations]
    suite = xml.Element(
        "testsuite", name=f"gatecrash prove {proof.merchant}", tests=str(len(proof.outcomes) + len(proof.left_out)),
        failures=str(len(failed)), skipped=str(len(proof.left_out)), time=f"{proof.seconds:.3f}",
    )  # fmt: skip
    for outcome in proof.outcomes:
        case = xml.SubElement(
            suite, "testcase", classname=f"gatecrash.{proof.merchant}", name=outcome.story.name, time=f"{outcome.seconds:.3f}"
        )
        if outcome.violations:
            codes = ", ".join(dict.fromkeys(each.oracle for each in outcome.violations))
            failure = xml.SubElement(case, "failure", type=codes, message=outcome.violations[0].message)
            told = [f"{each.oracle}: {each.message}" for each in outcome.violations]
            failure.text = _printable("\n".join([*told, "", *sequence.text(folded(timeline(outcome.history)))]))
    for story, reason in proof.left_out:
        case = xml.SubElement(suite, "testcase", classname=f"gatecrash.{proof.merchant}", name=story.name, time="0")
        xml.SubElement(case, "skipped", message=reason)
    xml.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(suite, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(each for each in text if each in "\t\n\r" or each >= " ")
