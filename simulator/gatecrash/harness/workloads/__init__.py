"""What customers, staff and time may do, made up: Hypothesis writes workloads as stories, the explorer owns the faults.

``scope`` is what a merchant can be asked, ``script`` a workload that is being written, ``machine`` and ``generate`` have it
written by Hypothesis and are the only ones to know of it, ``trials`` explores what was written, ``campaign`` drives all of it,
``verdict`` says what it came to.
"""
