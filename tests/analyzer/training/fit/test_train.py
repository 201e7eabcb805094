from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from analyzer.errors import ConfigError, WeightsError
from analyzer.model.card import WeightsCard
from analyzer.model.network import DeepfakeNet
from analyzer.model.weights import load_weights, save_weights
from analyzer.training.data.dataset import TrackCache
from analyzer.training.fit import autoencoders as painting
from analyzer.training.fit import loop, precision, train
from analyzer.training.fit import measure as measuring
from analyzer.training.fit.new_card import CALIBRATED_ON_DEV
from analyzer.training.fit.splits import gather
from analyzer.training.fit.train import TrainOptions, run_training
from analyzer.training.pseudofakes.autoencoder import Build
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.mixture import Mixture
from analyzer.training.sampling.samples import ImageSamples, WindowSamples


@pytest.fixture
def options(tmp_path: Path, manifest: Path, cache: TrackCache) -> TrainOptions:
    """Two steps of each stage, in this process."""
    placed = {"g0": "train", "g1": "train", "g2": "calibration", "g3": "dev", "g4": "train", "g5": "dev"}
    return TrainOptions(
        manifest=manifest,
        output=tmp_path / "run",
        cache=cache.folder,
        device="cpu",
        placed=placed,
        join=False,  # all of them show the same picture
        mixture=Mixture(real_fakes=0.5),
        workers=0,
        batch=1,
        steps=2,
        painter_share=0.0,  # seconds for each run; see the test that has them
        quiet=True,
    )


def metrics(options: TrainOptions) -> list[dict[str, object]]:
    return [json.loads(line) for line in (options.output / "metrics.jsonl").read_text().splitlines()]


def test_a_run_ends_with_weights_that_load_and_a_card_with_figures(options: TrainOptions) -> None:
    path = run_training(options)
    state, card = load_weights(path)
    assert path == options.output / "deepfake-monitor-custom.safetensors"
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    assert {"dev.auc.calibrated", "dev.pseudo.F1.frames"} <= set(card.measured)
    assert {"calibration.real_windows_flagged", "calibration.real_clips_flagged"} <= set(card.measured)
    assert card.seeds == (0,)
    assert {line["stage"] for line in metrics(options)} == {"faces", "dev", "A", "B", "C"}


def test_a_run_paints_with_what_it_trained_and_measures_that(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[str, int] = {}

    def note(kind: type[ImageSamples | WindowSamples]) -> Callable[..., ImageSamples | WindowSamples]:
        def make(*args: Any) -> ImageSamples | WindowSamples:
            samples = kind(*args)
            used[kind.__name__] = len(samples.painters)
            return samples

        return make

    monkeypatch.setattr(painting, "BUILDS", (Build(2, 3, "shuffle", 4),))
    monkeypatch.setattr(painting, "WORST", 255.0)
    monkeypatch.setattr(train, "ImageSamples", note(ImageSamples))
    monkeypatch.setattr(train, "WindowSamples", note(WindowSamples))
    options = replace(options, painter_share=0.1, steps=1)
    card = load_weights(run_training(options))[1]
    assert used == {"ImageSamples": 1, "WindowSamples": 1}
    assert "dev.pseudo.painted.frames" in card.measured


def test_a_run_by_minutes_ends_and_its_windows_are_made_by_as_many_workers_as_are_fastest(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "PACE_WARM", 1)
    monkeypatch.setattr(precision, "PACE_STEPS", 1)
    placed = {**{f"g{i}": "train" for i in range(6)}, "g2": "calibration"}
    options = replace(options, steps=None, minutes=0.1, placed=placed, workers=2)
    load_weights(run_training(options))
    assert metrics(options)[-1]["stage"] == "C"
    assert {"float32", "bfloat16"} & {line.get("precision") for line in metrics(options)}
    assert {1, 2} & {line.get("workers") for line in metrics(options)}


def single_faces(options: TrainOptions, steps: int) -> TrainOptions:
    """Stage A alone, with nothing held out to be measured on."""
    return replace(options, stages="A", steps=steps, placed={f"g{i}": "train" for i in range(6)})


def test_a_stage_that_is_over_is_not_run_again(options: TrainOptions) -> None:
    options = single_faces(options, 1)
    first = load_weights(run_training(options))[0]
    checkpoint = torch.load(options.output / "checkpoint.pt", weights_only=True)
    assert (checkpoint["place"]["stage"], checkpoint["place"]["step"]) == ("B", 0)
    again = load_weights(run_training(options))[0]
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_of_the_start_a_share_stays_after_stage_a(options: TrainOptions, tmp_path: Path) -> None:
    options = single_faces(options, 1)
    start, card = tmp_path / "start.safetensors", run_training(options)
    start.write_bytes(card.read_bytes())
    start.with_suffix(".json").write_text(card.with_suffix(".json").read_text())
    again = replace(options, start=start, steps=2, rate_head=0.1)
    before, learned, kept = (
        load_weights(path)[0]["frame_path.head.1.weight"].float()
        for path in (
            start,
            run_training(replace(again, output=tmp_path / "a")),
            run_training(replace(again, output=tmp_path / "b", start_share=0.5)),
        )
    )
    assert (learned - before).abs().max() > 0.01
    torch.testing.assert_close(kept, (before + learned) / 2, atol=1e-3, rtol=0)


class StoppedError(Exception):
    pass


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run end like a power failure at that step of all its stages, a checkpoint behind each."""
    cosine, steps = loop.cosine, 0

    def stop(share: float) -> float:
        nonlocal steps
        steps += 1
        if steps == step:
            raise StoppedError
        return cosine(share)

    monkeypatch.setattr(loop, "CHECKPOINT_S", -1.0)
    monkeypatch.setattr(loop, "cosine", stop)


def test_resuming_inside_a_stage_gives_what_one_run_gives(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = single_faces(options, 3)
    expected = load_weights(run_training(whole))[0]
    interrupted = replace(whole, output=options.output.parent / "interrupted")
    stop_at(3, monkeypatch)
    with pytest.raises(StoppedError):
        run_training(interrupted)
    resumed = load_weights(run_training(interrupted))[0]
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_resuming_inside_stage_b_takes_up_its_windows_and_gives_what_one_run_gives(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(single_faces(options, 2), stages="AB")
    expected = load_weights(run_training(whole))[0]
    interrupted = replace(whole, output=options.output.parent / "interrupted")
    stop_at(4, monkeypatch)
    with pytest.raises(StoppedError):
        run_training(interrupted)
    assert (interrupted.output / "windows.safetensors").exists()
    monkeypatch.setattr(train, "encode_all", None)  # the windows are there: nothing is encoded again
    resumed = load_weights(run_training(interrupted))[0]
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert not (interrupted.output / "windows.safetensors").exists()


def test_a_checkpoint_of_other_options_is_refused(options: TrainOptions) -> None:
    options = single_faces(options, 1)
    run_training(options)
    with pytest.raises(WeightsError, match="made with other options; delete it"):
        run_training(replace(options, seed=7))


def test_a_checkpoint_of_other_files_is_refused_with_what_to_do(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = single_faces(options, 1)
    run_training(options)
    monkeypatch.setattr(train, "gather", lambda *args: {**gather(*args), "dev": gather(*args)["train"][:1]})
    with pytest.raises(WeightsError, match="made of other files, or of files shared out otherwise"):
        run_training(options)


def test_a_finished_run_says_that_nothing_is_left_and_its_card_still_tells_how_it_was_made(
    options: TrainOptions,
) -> None:
    first = load_weights(run_training(single_faces(options, 1)))[1]
    again = load_weights(run_training(single_faces(options, 9)))[1]
    assert (again.command, again.description) == (first.command, first.description)
    assert any("nothing is left to learn" in str(line.get("note")) for line in metrics(options))
    assert sum("step" in line for line in metrics(options)) == 1


def test_stages_run_one_by_one_are_all_told_by_the_card(options: TrainOptions) -> None:
    options = replace(options, placed={f"g{i}": "train" for i in range(5)} | {"g5": "calibration"}, steps=1)
    alone = load_weights(run_training(replace(options, stages="A")))[1]
    both = load_weights(run_training(replace(options, stages="B")))[1]
    assert both.description == alone.description
    assert both.command.split("; then ")[0] == alone.command
    assert "--stages B" in both.command


def test_what_is_calibrated_is_what_is_saved(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, torch.Tensor] = {}

    def noting(net: DeepfakeNet, *_: Any) -> measuring.OnDev:
        seen.update({name: value.clone() for name, value in net.named_parameters()})
        return measuring.OnDev({}, ())

    monkeypatch.setattr(train, "measure", noting)
    state = load_weights(run_training(single_faces(options, 1)))[0]
    assert all(torch.equal(state[name].float(), value) for name, value in seen.items())


def test_a_folder_that_cannot_be_written_to_is_named(options: TrainOptions, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: File exists"):
        run_training(replace(options, output=tmp_path / "file"))


def test_weights_calibrated_on_dev_say_so(options: TrainOptions) -> None:
    placed = {**{f"g{i}": "train" for i in range(6)}, "g3": "dev"}
    card = load_weights(run_training(replace(single_faces(options, 1), placed=placed, stages="AC")))[1]
    assert CALIBRATED_ON_DEV in card.limits


def test_a_damaged_checkpoint_is_refused_with_what_to_do(options: TrainOptions) -> None:
    options.output.mkdir(parents=True)
    (options.output / "checkpoint.pt").write_bytes(b"cut short")
    with pytest.raises(WeightsError, match="delete it to start anew"):
        run_training(options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"split": "none"}, "no rows of split"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"batch": 0}, "batch must be above 0"),
        ({"start_share": 0.5}, "--start-share needs it"),
        ({"start_share": 1.0}, "share of the start weights that stays must be 0 or more and below 1"),
        ({"painter_share": 1.0}, "the share of time for painters must be 0 or more and below 1"),
        ({"workers": -1}, "workers must be 0 or more"),
        ({"seed": -1}, "the seed must be 0 or more"),
        ({"device": "cudax"}, "unknown device 'cudax'"),
        ({"steps": 0}, "steps must be above 0"),
        ({"threads": 0}, "threads must be above 0"),
        ({"rate_head": 0.0}, "rates must be above 0"),
        ({"window_share": 1.0}, "share of windows"),
        ({"mixture": Mixture(real_fakes=1.5)}, "share of real fakes"),
        ({"measure_every": -1.0}, "two looks at dev"),
        ({"sizes": (160, 200)}, "sizes must be some of"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"stages": "AD"}, "stages must be some of A, B and C"),
        ({"stages": ""}, "stages must be some of A, B and C"),
        ({"freeze": 9}, "0 to 8 stages can rest, got 9"),
        ({"freeze": 2}, "only stages with start weights can rest"),
        ({"init": Path("a"), "start": Path("b")}, "not both"),
    ],
)
def test_bad_options_are_refused(options: TrainOptions, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_training(replace(options, **change))  # type: ignore[arg-type]  # each row names its field


def test_too_few_groups_to_hold_anything_out_are_refused_before_training(options: TrainOptions) -> None:
    with pytest.raises(ConfigError, match="groups none with a real face was held out"):
        run_training(replace(options, placed={f"g{i}": "train" for i in range(6)}))


def test_a_run_goes_on_from_trained_weights_and_its_card_says_so(options: TrainOptions, tmp_path: Path) -> None:
    first = run_training(single_faces(options, 1))
    start, start_card = load_weights(first)
    going_on = replace(single_faces(options, 2), start=first, output=tmp_path / "on", freeze=3, sizes=(160,))
    state, card = load_weights(run_training(going_on))
    frozen = [name for name in state if name.startswith(tuple(f"frame_path.backbone.features.{i}." for i in range(3)))]
    assert frozen
    assert all(torch.equal(start[name], state[name]) for name in frozen)
    learned = "frame_path.backbone.features.3.0.block.0.0.weight"
    assert not torch.equal(start[learned], state[learned])
    assert start_card.sha256 in card.description
    assert set(start_card.trained_on) <= set(card.trained_on)
    with pytest.raises(WeightsError, match="made with other options"):
        run_training(replace(going_on, start=None, freeze=1))


def test_dev_is_looked_at_while_single_faces_are_learned(options: TrainOptions) -> None:
    placed = {**{f"g{i}": "train" for i in range(6)}, "g3": "dev", "g5": "dev"}
    run_training(replace(options, stages="A", steps=2, placed=placed, measure_every=1e-6))
    looks = [line for line in metrics(options) if line["stage"] == "dev"]
    assert [look["step"] for look in looks] == [1, 2]
    assert {"auc.frames", "pseudo.F1.frames", "pseudo.F5.frames"} <= set(looks[0])


def test_windows_are_learned_from_clips_that_single_faces_were_not(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}

    def noting(name: str, make: Any) -> Any:
        def noted(material: Material, *rest: Any) -> Any:
            seen[name] = {row.group for row, _ in material.found}
            return make(material, *rest)

        return noted

    for name in ("ImageSamples", "WindowSamples"):
        monkeypatch.setattr(train, name, noting(name, getattr(train, name)))
    monkeypatch.setattr(train, "UNSEEN_CLIPS", 1)
    placed = {"g0": "train", "g1": "window", "g2": "calibration", "g3": "calibration", "g4": "train", "g5": "window"}
    run_training(replace(options, placed=placed, steps=1, stages="AB"))
    assert seen == {"ImageSamples": {"g0", "g4"}, "WindowSamples": {"g1", "g5"}}


def test_calibration_alone_changes_nothing_but_the_calibration(options: TrainOptions, tmp_path: Path) -> None:
    first = run_training(single_faces(options, 1))
    start, _ = load_weights(first)
    placed = {**options.placed, "g3": "train", "g5": "train"}  # nothing to measure on: that takes long
    alone = replace(options, start=first, stages="C", output=tmp_path / "c", placed=placed)
    state, card = load_weights(run_training(alone))
    assert all(torch.equal(start[name], state[name]) for name in state if not name.startswith("calibration."))
    assert float(state["calibration.c"]) != 0.0
    assert card.description.startswith("Calibrated anew")
    assert "calibration.real_windows_flagged" in card.measured


def with_window_path(a: float, path: Path) -> Path:
    """Weights, as if from before, whose card gives the window path that much."""
    torch.manual_seed(3)
    net = DeepfakeNet()
    net.calibration.a.fill_(a)
    card = WeightsCard("before", "0.1", "2026", "Before.", ("films",), "research only")
    save_weights(net, card, path)
    return path


@pytest.mark.parametrize(
    ("stages", "a", "counts"), [("C", 0.5, True), ("C", 0.0, False), ("AC", 0.5, False), ("BC", 0.0, True)]
)
def test_a_window_path_counts_only_for_the_features_that_it_was_trained_on(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stages: str, a: float, counts: bool
) -> None:
    told: list[bool] = []

    def noting(*_: Any, window_counts: bool) -> None:
        told.append(window_counts)
        raise StoppedError

    monkeypatch.setattr(train, "StageC", noting)
    start = with_window_path(a, tmp_path / "before.safetensors")
    with pytest.raises(StoppedError):
        run_training(replace(options, start=start, stages=stages, steps=1))
    assert told == [counts]


def test_calibration_of_nothing_is_refused(options: TrainOptions) -> None:
    with pytest.raises(ConfigError, match="nothing to go on from"):
        run_training(replace(options, stages="C"))


def test_missing_start_weights_are_refused(options: TrainOptions) -> None:
    with pytest.raises(WeightsError, match="cannot read the backbone's start weights"):
        run_training(replace(options, init=Path("none.safetensors")))
