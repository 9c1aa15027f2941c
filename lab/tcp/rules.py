"""The standing rules: what every segment must obey, whatever a scenario expects of it.

`RULES` is the table, `Flow` follows one connection and judges, `Breach` is what it finds.
"""

from lab.tcp.flow import Flow, Half
from lab.tcp.rulebook import RULES, Breach, Rule

__all__ = ["RULES", "Breach", "Flow", "Half", "Rule"]
