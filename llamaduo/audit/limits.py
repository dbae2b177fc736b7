"""What the judge is held against: every limit of the audit in one place, with its reason."""

LEVEL = 0.99
"""Of every interval of the audit. Five figures can each raise a flag by chance; at this level
an honest judge raises one in fewer than 5 of 100 audits, all of them together."""

FEWEST = 10
"""Prompts below which nothing is measured: so few give no variance to rely on."""

SPREAD = 20.0
"""Points of standard deviation between repeats. Marks drawn blindly from 0 to 100 have 28.9;
with 20 even the mean of ten repeats is known to 12 points at best."""

TELLS = 90.0
"""% of prompts for which the reference, judged as an answer, has to be marked above an answer
to another prompt. A judge that knows its trade does so nearly always, a blind one in half."""

SLOPE = 3.0
"""Points per 100 words; below it, length moves a usual answer less than one repeat does."""

AUTHOR = 3.0
"""Points. Near a threshold some 3 % of prompts lie on each point, so that such a preference
moves coverage by about as much as the margin a switch is decided by."""

FLIPS = 10.0
"""Points of % of prompts that change sides when the texts change places, beyond those that
change sides from one repeat to the next anyway."""

ALPHA = 0.667
"""Krippendorff 2004, "Reliability in Content Analysis": the lowest alpha from which even
tentative conclusions are drawn."""

TAU = 1 / 3
"""Kendall's tau: two of three pairs of answers in the same order as the person has them."""

PERSON = 20
"""Answers that a person scored, below which their order flags nothing."""

FLAT = 5.0
"""Points of standard deviation of a person's marks below which they have no order to find."""

TOP = 99.0
"""Two texts that both get this much leave no room for a preference to show."""

ALIKE = 10.0
"""Words of standard deviation of the lengths below which their effect cannot be measured."""

INTERVAL = f"{100 * LEVEL:g} % interval"
"""How the findings call it."""
