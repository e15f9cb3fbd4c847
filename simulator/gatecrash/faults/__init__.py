"""How the gateway fails: rules, stations, and kinds. One vocabulary for the control API, stories and counterexamples."""
