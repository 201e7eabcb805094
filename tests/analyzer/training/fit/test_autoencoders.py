from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from analyzer.errors import ConfigError, WeightsError
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.fit import autoencoders as painting
from analyzer.training.fit.autoencoders import PAINTERS, Painting, load_painters, save_painters, wanted
from analyzer.training.fit.options import TrainOptions
from analyzer.training.pseudofakes import autoencoder as painter
from analyzer.training.pseudofakes.autoencoder import Autoencoder, Build, Painter
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.mixture import Mixture

Found = list[tuple[Row, Track]]
SMALL = (Build(2, 3, "shuffle", 4), Build(3, 4, "nearest", 4))


@pytest.fixture
def painting_(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Painting:
    """One step of two small painters, which count as good enough."""
    monkeypatch.setattr(painting, "BUILDS", SMALL)
    monkeypatch.setattr(painting, "WORST", 255.0)
    monkeypatch.setattr(painter, "BATCH", 2)
    options = TrainOptions(Path("m.tsv"), tmp_path, steps=1, quiet=True)
    return Painting(options, "this run", Material(found), nn.Identity(), torch.device("cpu"), lambda _: None)


def alike(first: Painter, second: Painter) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.net.parameters(), second.net.parameters(), strict=True))


def test_painters_are_trained_once_for_a_run(painting_: Painting) -> None:
    first, again = painting_.run(), painting_.run()
    assert [one.net.build for one in first] == list(SMALL)
    assert all(alike(one, same) for one, same in zip(first, again, strict=True))


def test_other_material_another_seed_and_a_fresh_start_get_painters_of_their_own(painting_: Painting) -> None:
    first = painting_.run()[0]
    other_seed = replace(painting_.options, seed=1)
    assert not alike(first, replace(painting_, options=other_seed, made_by="another run").run()[0])
    assert not alike(first, replace(painting_, options=replace(other_seed, resume=False)).run()[0])


def test_what_is_done_is_kept_when_the_next_one_fails(painting_: Painting, monkeypatch: pytest.MonkeyPatch) -> None:
    train, trained = painter.train_autoencoder, []

    def fail_at_the_second(build: Build, *args: Any) -> Autoencoder:
        trained.append(build)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(build, *args)

    monkeypatch.setattr(painting, "train_autoencoder", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        painting_.run()
    assert len(painting_.run()) == 2
    assert trained == [SMALL[0], SMALL[1], SMALL[1]]


def test_painters_that_only_blur_are_left_out_and_that_is_noted(
    painting_: Painting, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[Mapping[str, object]] = []
    monkeypatch.setattr(painting, "WORST", 0.0)
    assert replace(painting_, log=notes.append).run() == []
    assert notes[0]["used"] == 0
    assert "give more --minutes" in str(notes[1]["note"])


@pytest.mark.parametrize(
    ("mixture", "share", "expected"),
    [
        (Mixture(), 0.1, True),
        (Mixture(), 0.0, False),
        (Mixture().without(["F5", "F6", "F7", "painted"]), 0.1, False),
        (Mixture(decoded=0.0).without(["painted"]), 0.1, False),
        (Mixture(decoded=0.0), 0.1, True),
    ],
)
def test_painters_are_trained_only_for_a_run_that_draws_something_painted(
    mixture: Mixture, share: float, expected: bool, painting_: Painting
) -> None:
    options = replace(painting_.options, mixture=mixture, painter_share=share)
    assert wanted(options) == expected
    assert bool(replace(painting_, options=options).run()) == expected


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04."], ids=["empty", "cut off", "a pickle"])
def test_a_damaged_file_of_painters_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / PAINTERS
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="delete it to train the painters anew"):
        load_painters(path)


def test_painters_whose_weights_are_no_numbers_are_damaged(tmp_path: Path) -> None:
    net = Autoencoder(SMALL[0])
    with torch.no_grad():
        next(net.parameters()).fill_(torch.nan)
    save_painters(tmp_path / PAINTERS, [net], "a run")
    with pytest.raises(WeightsError, match="not all weights are numbers"):
        load_painters(tmp_path / PAINTERS)


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_painters(tmp_path)
