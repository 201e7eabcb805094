from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from analyzer.model.card import Measured, WeightsCard
from analyzer.training.data.manifest import Row
from analyzer.training.fit.calibrate import Rule
from analyzer.training.fit.new_card import (
    CALIBRATED_ON_DEV,
    LIMIT,
    Origin,
    command_of,
    make_card,
    same_but_for_time,
)
from analyzer.training.fit.options import TrainOptions
from analyzer.training.sampling.mixture import Mixture

ROWS = [Row(f"{i}", Path(f"{i}"), i > 1, "swap" if i > 1 else "camera", "", "f", f"g{i}") for i in range(4)]
START = WeightsCard("first", "0.1", "2026", "First.", ("films", "swap"), "research only", sha256="ab", limits=("old",))
FIGURES = {"dev.auc": Measured(0.5)}


def options(**changes: object) -> TrainOptions:
    return TrainOptions(Path("/data/list.tsv"), Path("/runs/x"), **changes)  # type: ignore[arg-type]


def test_a_card_says_what_was_learned_from() -> None:
    card = make_card(options(), Origin(ROWS), FIGURES)
    assert card.description == "Trained on 2 real and 2 fake files and pseudo-fakes of the real ones."
    assert (card.trained_on, card.limits, card.licence) == (("camera", "swap"), (LIMIT,), "not stated")
    assert dict(card.measured) == FIGURES


def test_a_card_of_weights_that_went_on_names_the_start_its_data_and_its_licence() -> None:
    card = make_card(options(start=Path("first.safetensors")), Origin(ROWS, START), {})
    assert "Started from first 0.1 (sha256 ab)" in card.description
    assert card.trained_on == ("films", "swap", "camera")
    assert card.limits == ("old", LIMIT)
    assert "research only" in card.licence


def test_calibrated_weights_keep_what_the_card_said_but_no_figure() -> None:
    card = make_card(options(start=Path("first.safetensors"), stages="C"), Origin((), START), FIGURES)
    assert card.description == "Calibrated anew from first 0.1 (sha256 ab). First."
    assert (card.trained_on, card.licence, card.limits) == (START.trained_on, START.licence, START.limits)
    assert dict(card.measured) == FIGURES


def test_a_card_holds_every_command_that_took_part_and_the_limits_of_its_own_calibration() -> None:
    start = replace(START, limits=("old", CALIBRATED_ON_DEV))
    card = make_card(options(), Origin(ROWS, start, ("train one", "train two"), ("new",)), {})
    assert card.command == "train one; then train two"
    assert card.limits == ("old", LIMIT, "new")


def test_commands_that_differ_in_time_alone_are_the_same() -> None:
    first = command_of(options(minutes=60.0))
    assert same_but_for_time(first, command_of(options(minutes=90.0)))
    assert not same_but_for_time(first, command_of(options(minutes=60.0, rule=Rule(0.5))))


def test_the_command_holds_what_changes_the_weights_and_no_path() -> None:
    assert command_of(options()) == "deepfake-monitor train list.tsv --output FOLDER --minutes 60"
    told = options(
        init=Path("/a/b0.safetensors"), init_stages=(0, 1), steps=5, seed=3, freeze=2, sizes=(160, 192),
        rate_backbone=1e-4,
        rule=Rule(0.0123456789), join=False, mixture=Mixture(real_fakes=0.15).without(["F5"]), placed={"g": "dev"},
        stages="AB", split="my files", painter_share=0.2, add=(Path("/b/marks.tsv"), Path("c.tsv")),
    )  # fmt: skip
    assert command_of(told) == (
        "deepfake-monitor train list.tsv --output FOLDER --add marks.tsv --add c.tsv --init b0.safetensors "
        "--init-stages 2 --stages AB --steps 5 --seed 3 --split 'my files' --place FILE --no-join --freeze 2 "
        "--rate-backbone 0.0001 --painter-share 0.2 --size 160 --size 192 --target-fpr 0.0123456789 --real-fakes 0.15 "
        "--leave-out F5"
    )


def test_every_option_that_changes_the_weights_is_in_the_command() -> None:
    usual = options()
    # what is left: where things are, how fast they go, how the weights are called
    silent = {
        "manifest", "output", "cache", "name", "version", "device", "threads", "workers", "resume", "quiet",
        "measure_every", "max_windows",
    }  # fmt: skip
    changed: dict[str, object] = {
        "init": Path("b0"), "init_stages": (0,), "start": Path("w"), "freeze": 3, "sizes": (160,),
        "precision": "float32",
        "minutes": 7.0, "seed": 5, "split": "s", "mixture": Mixture(real_fakes=0.1), "placed": {"g": "dev"},
        "join": False, "window_share": 0.1, "rule": Rule(0.5), "batch": 2, "rate_backbone": 1.0, "rate_head": 1.0,
        "steps": 3, "stages": "A", "painter_share": 0.0, "start_share": 0.5, "add": (Path("more.tsv"),),
    }  # fmt: skip
    assert set(changed) | silent == {field.name for field in fields(TrainOptions)}
    for name, value in changed.items():
        told = replace(usual, **({"init": Path("b0")} if name == "init_stages" else {}), **{name: value})  # type: ignore[arg-type]  # each its field's
        assert command_of(told) != command_of(usual), name
