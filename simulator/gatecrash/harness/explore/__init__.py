"""Which schedules to play, and what they come to: exhaustive up to k faults, at random beyond.

``fault`` has the words, ``bound`` says how far, ``search`` is one story's way through its schedules, ``pool`` plays them in
processes of their own, ``explorer`` drives all of it, ``shrink`` makes a counterexample small, ``swarm`` goes beyond the bound,
``verdict`` says what was proved. Nothing here knows of asyncio or of worlds: a schedule is played by a ``Player``.
"""
