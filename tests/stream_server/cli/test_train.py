from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from analyzer.errors import ConfigError, DeepfakeMonitorError, WeightsError
from analyzer.training.fit import splits as parts
from analyzer.training.fit import train as training
from analyzer.training.fit.autoencoders import PAINTERS, save_painters
from analyzer.training.fit.calibrate import Rule
from analyzer.training.fit.options import TrainOptions
from analyzer.training.pseudofakes.autoencoder import Autoencoder, Build
from analyzer.training.research import preview
from analyzer.training.sampling.mixture import Mixture
from stream_server.cli.train import train


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    """What training was told, instead of training."""
    seen: list[TrainOptions] = []

    def note(options: TrainOptions) -> Path:
        seen.append(options)
        return options.output / "weights.safetensors"

    monkeypatch.setattr(training, "run_training", note)
    return seen


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(train)
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, DeepfakeMonitorError):
        raise result.exception
    return result.exit_code, result.output


def test_what_is_not_said_is_as_the_library_has_it(told: list[TrainOptions]) -> None:
    code, said = run("m.tsv", "-o", "out")
    assert (code, said) == (0, "out/weights.safetensors\n")
    assert told == [TrainOptions(Path("m.tsv"), Path("out"))]


def test_every_option_arrives(told: list[TrainOptions], tmp_path: Path) -> None:
    places = tmp_path / "places.tsv"
    places.write_text("a\tdev\n")
    line = (
        "m.tsv -o out --add marks/manifest.tsv --add b.tsv "
        "--start w.safetensors --minutes 5 --steps 7 --stages ab --seed 3 --split train --name n "
        f"--place {places} --cache c --no-resume --device cpu --real-fakes 0.1 --leave-out F5 --leave-out F2 "
        "--freeze 3 --size 160 --size 224 --precision float32 --rate-backbone 1e-4 --rate-head 2e-4 --batch 4 "
        "--workers 1 --threads 2 --no-join --window-share 0.1 --measure-every 1 --target-fpr 0.02 "
        "--target-clip-fpr 0.1 --painter-share 0.2 --start-share 0.4"
    )
    code, _ = run(*line.split())
    assert code == 0
    assert told == [
        TrainOptions(
            Path("m.tsv"), Path("out"), add=(Path("marks/manifest.tsv"), Path("b.tsv")),
            start=Path("w.safetensors"), minutes=5, steps=7, stages="AB", seed=3,
            split="train", name="n", placed={"a": "dev"}, cache=Path("c"), resume=False, device="cpu",
            mixture=Mixture(real_fakes=0.1).without(["F2", "F5"]), freeze=3, sizes=(160, 224), precision="float32",
            rate_backbone=1e-4, rate_head=2e-4, batch=4, workers=1, threads=2, join=False, window_share=0.1,
            measure_every=1, rule=Rule(0.02, 0.1), painter_share=0.2, start_share=0.4,
        )
    ]  # fmt: skip


def test_calibrate_only_is_stage_c_and_needs_weights(told: list[TrainOptions]) -> None:
    assert run("m.tsv", "-o", "out", "--calibrate-only")[0] == 2
    assert run("m.tsv", "-o", "out", "--calibrate-only", "--start", "w.safetensors")[0] == 0
    assert [options.stages for options in told] == ["C"]


def test_a_preview_shows_what_the_painters_of_the_run_paint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []

    def note(*_: object, painters: Sequence[object], **__: object) -> list[Path]:
        shown.append(len(painters))
        return [tmp_path / "index.html"]

    monkeypatch.setattr(parts, "gather", lambda *_: {"train": []})
    monkeypatch.setattr(preview, "write_sheets", note)
    line = ("m.tsv", "-o", str(tmp_path), "--preview", str(tmp_path / "sheets"))
    assert run(*line)[0] == 0
    save_painters(tmp_path / PAINTERS, [Autoencoder(Build(2, 3, "shuffle", 4))], "a run")
    assert run(*line)[0] == 0
    assert shown == [0, 1]
    (tmp_path / PAINTERS).write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged"):
        run(*line)


def test_a_preview_of_nothing_real_is_refused_and_nothing_trained(told: list[TrainOptions], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no real video"):
        run(str(tmp_path), "-o", str(tmp_path / "out"), "--preview", str(tmp_path / "sheets"))
    assert told == []
