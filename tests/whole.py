"""Every key of the language in one recipe, and the files it needs."""

from __future__ import annotations

from pathlib import Path

import hollow

RECIPE = """\
recipe: 1
name: horizon_low
vars: {height: 0.80}
generator:
  model: ./generator
  steps: 4
  size: {width: 64, height: 64}
  guidance: 0.0
  negative: ""
  dtype: float32
  device: cuda:0
  with: [other.safetensors]
  offload: false
  slicing: true
  tiling: false
  checkpointing: {backbone: true, decoder: true}
critics:
  eyes: {model: ./critic, weight: 1.0, dtype: float32, device: cuda:1, checkpointing: true, quantize: 8bit}
judges:
  second: {model: ./judge}
  third: {model: ./third}
visuals:
  ruler: {line: {y: "{{ height }}", thickness: 0.02, color: red}}
  card: {image: assets/card.png, at: bottom, height: 0.15, opacity: 1.0}
  swatch: {palette: ["#d9822b", "#c23030", "#f5e8c7"], at: bottom, height: 0.15}
  dots: {points: {A: [0.3, 0.8], B: [0.7, 0.4]}, color: red}
  mood: {reference: assets/card.png}
  box: {region: {x: [0.1, 0.4], y: [0.5, 0.9]}, color: "#c23030"}
  tag: {text: "A", at: [0.3, 0.8]}
prompts:
  train:
    template: "a {{ color }} {{ thing }} {{ place }}"
    for: {color: [red, blue], thing: [ball, house, tree], place: [in the grass, on the sand]}
    sample: 10
  test: {file: assets/heldout.jsonl}
  validate: {sample: 3}
questions:
  aligned:
    ask:
      - "Is the overlaid red line aligned with the horizon of the scene?"
      - "Does the red line lie on the horizon?"
    suffix: "Answer with Yes or No."
    see: ruler
    answer: "Yes"
    against: "No"
    weight: 1.0
    flips: true
  still_there:
    ask: "Is there a {{ color }} {{ thing }} in the image?"
    see: [ruler, mood, dots, box, tag, card, swatch]
    answer: "Yes"
    hold: 0.75
    weight: 0.5
  what:
    ask: "What is in the image?"
    answer: ["a {{ color }} {{ thing }}", "{{ color }} {{ thing }}"]
    critics: [eyes]
    watch: true
measures:
  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}
  sharp: {sharpness: {at_least: 0.9, relative_to: base}}
  named: {factors: {keep: [thing, color, place]}}
goal: {measure: horizon, question: aligned}
stay: {weight: 0.05}
adapter: {rank: 16, alpha: 80, targets: attention, start: other.safetensors}
train:
  steps: 100
  batch: 4
  accumulate: 1
  lr: 5e-5
  warmup: 0
  optimizer: adamw
  clip: 1.0
  seed: 100
  estimate: noisy
  backprop: {replay: {buffer: 32, refresh: 8, sigma: [0.2, 0.9]}}
  augment: {blur: 0.5, noise: 0.02, shift: 2, flip: true}
  weights: balanced
  conflict: {every: 25}
  stop: {p: {aligned: 0.9}, judge: {third: {aligned: 0.9}}, patience: 3}
  ema: null
  save_every: 25
  optimize: adapter
evaluate: {seeds: 16, scales: [0, 0.5, 1], every: 25}
expect:
  horizon: {at_least: 0.9}
  still_there: {judge: second, at_least: 0.95}
"""


def workplace(folder: Path) -> Path:
    """Hollow's workplace with what this recipe needs besides; returns the recipe's path."""
    path = hollow.workplace(folder)
    hollow.critic(folder / "third", positions=1024, seed=3)
    (folder / "other.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    held = '{"prompt": "a red ball in the grass", "color": "red", "thing": "ball", "place": "in the grass"}\n'
    (folder / "assets" / "heldout.jsonl").write_text(held, encoding="utf-8")
    (folder / "critic" / "config.json").write_text(
        (folder / "judge" / "config.json").read_text("utf-8"), encoding="utf-8"
    )
    path.write_text(RECIPE, encoding="utf-8")
    return path
