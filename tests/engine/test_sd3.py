"""Stable Diffusion 3: what its last block leaves out, a folder without T5, and a folder that shifts by size."""

from __future__ import annotations

import json

import families
import pico_sd
import pytest
import torch
from control_recipes.engine import adapter, flow, generators, plan
from control_recipes.engine.errors import InputError

PROMPT = "a blue house"
OLD, NEW = (next(case for case in families.CASES if case.name == name) for name in ("sd3", "sd3.5"))


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_every_linear_layer_of_the_blocks_that_a_picture_depends_on_takes_an_adapter(tmp_path, targets):
    generator = generators.load(NEW.chosen(NEW.build(tmp_path / "sd3")))
    blocks = {
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("transformer_blocks.")
    }
    lora = adapter.inject(generator, plan.Adapter(2, 2.0, targets), seed=0)
    wanted = {name for name in blocks if targets == "all" or ".attn" in name}
    assert wanted - set(lora.layers) == {"transformer_blocks.1.attn.add_q_proj"}  # the last: nothing reads its text
    assert set(lora.layers) <= wanted


def test_without_t5_as_many_zeros_stand_in_its_place_as_stock_has(tmp_path):
    folder = NEW.build(tmp_path / "sd3")
    conditioning = generators.load(NEW.chosen(folder)).condition([PROMPT], [""])
    assert conditioning.sequence.shape == (1, 16 + 256, 32)
    assert bool((conditioning.sequence[:, 16:] == 0).all())


def test_levels_are_shifted_by_size_where_the_folder_says_so(tmp_path):
    folder = OLD.build(tmp_path / "sd3")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "use_dynamic_shifting": True}), encoding="utf-8")
    chosen = OLD.chosen(folder, steps=4, width=64, height=32)
    generator = generators.load(chosen)
    conditioning = generator.condition([PROMPT], [chosen.negative])
    made = generator.image(flow.sample(generator, conditioning, generator.noise([5]), 4))[0]
    assert (made - families.stock(OLD, folder, PROMPT, 5, chosen)).abs().max() <= OLD.tolerance


def test_what_the_model_cannot_do_is_refused(tmp_path):
    folder = pico_sd.sd3_folder(tmp_path / "sd3")
    with pytest.raises(InputError, match="must be multiples of 8"):
        generators.load(OLD.chosen(folder, width=36))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(OLD.chosen(folder, guidance=1.0))
