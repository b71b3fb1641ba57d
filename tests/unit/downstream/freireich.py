"""Remission of 42 children with acute leukaemia, in weeks.

Freireich EJ and others (1963), Blood 21(6):699-716; as printed in many textbooks, among them Cox
DR, Oakes D (1984), Analysis of survival data. Group 0 had 6-mercaptopurine, group 1 a placebo.
"""

import numpy as np

NAMES = ["6-MP", "placebo"]
# Censored times are negative.
TREATED = (6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35)
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
_ALL = np.array(TREATED + PLACEBO, dtype=np.float64)
DURATIONS, EVENTS = np.abs(_ALL), _ALL > 0
GROUPS = np.repeat([0, 1], 21)
