"""A recipe of 100,000 prompts, for the bench and the test of planning large products."""

from __future__ import annotations

LISTS = ("size", "color", "thing", "place", "when")


def recipe(values: int = 10, ask: str = "Is the line on the horizon?") -> str:
    """A product of five lists of `values` words each, short ones, for a generator that reads 24 tokens; four questions.

    Two models answer. The first question is asked under a drawing by `ask`; where that has the prompt in it, no two
    rows share it.
    """
    lists = "\n".join(f"      {name}: [{', '.join(f'{name[0]}{at}' for at in range(values))}]" for name in LISTS)
    return f"""\
recipe: 1
name: product
generator: {{model: builtin:generator}}
critics: {{eyes: {{model: builtin:critic}}}}
judges: {{second: {{model: builtin:judge}}}}
visuals: {{ruler: {{line: {{y: 0.8, color: red}}}}}}
prompts:
  train:
    template: "a {{{{ size }}}} {{{{ color }}}} {{{{ thing }}}} {{{{ place }}}} {{{{ when }}}}"
    for:
{lists}
questions:
  aligned: {{ask: "{ask}", see: ruler, answer: "Yes", against: "No"}}
  thing: {{ask: "Is there a {{{{ color }}}} {{{{ thing }}}}?", answer: "Yes", against: "No", hold: 0.9}}
  place: {{ask: "Is the {{{{ thing }}}} {{{{ place }}}}?", answer: "Yes", against: "No", hold: 0.9}}
  when: {{ask: "{{% if when %}}Is the scene {{{{ when }}}}?{{% endif %}}", answer: "Yes", against: "No", hold: 0.9}}
measures: {{horizon: {{horizon_row: {{near: 0.8, within: 0.06}}}}}}
goal: {{measure: horizon, question: aligned}}
"""
