"""Makes weights: cut out faces, train single faces (A), train windows (B), calibrate (C), write file and card.

Runs for a stated number of minutes, keeps a checkpoint and takes it up again, writes what it measures as JSON lines,
and is deterministic for a seed where it is told a number of steps instead of minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import TaskID

from analyzer.errors import ConfigError
from analyzer.model.backbone import load_backbone_start
from analyzer.model.card import CalibrationValues, Measured, WeightsCard
from analyzer.model.network import DeepfakeNet
from analyzer.model.weights import save_weights
from analyzer.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from analyzer.training.dataset import TrackCache
from analyzer.training.manifest import Row, Shares, count_kinds, read_manifest, share_out
from analyzer.training.measure import Bench, calibrate, measure
from analyzer.training.options import TrainOptions
from analyzer.training.samples import Found, ImageSamples, Material, WindowSamples
from analyzer.training.stages import (
    Average,
    Budget,
    Encoded,
    StageA,
    StageB,
    cosine,
    encode_all,
    freeze,
    loader,
    pick_device,
    set_rate,
    stage_bar,
)

__all__ = ["TrainOptions", "run_training"]

SHARE_A: Final = 0.55
"""Of the time goes to single faces, ..."""
SHARE_ENCODE: Final = 0.25
"""... to encoding windows, ..."""
SHARE_B: Final = 0.12
"""... to training on them; the rest is for calibration and measuring."""
ENDLESS: Final = 10_000_000
CHECKPOINT_S: Final = 60.0


def run_training(options: TrainOptions) -> Path:
    """Train and write `output`/`name`.safetensors with its card; the path of the weights.

    Raises `ConfigError` for a bad manifest, option or too little material, `WeightsError` for unusable start weights
    or a checkpoint of other options.
    """
    return _Run(options).run()


class _Run:
    """One training run: owns the network, its average, and the files in the output folder."""

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        if options.minutes <= 0 or options.batch < 1 or options.workers < 0:
            raise ConfigError("minutes and batch must be above 0, workers 0 or more")
        options.output.mkdir(parents=True, exist_ok=True)
        self.device = pick_device(options.device)
        torch.manual_seed(options.seed)
        self.net = DeepfakeNet()
        self.started: Sequence[int] = ()
        if options.init is not None:
            load_backbone_start(self.net, options.init, options.init_stages)
            self.started = options.init_stages
        self.net.to(self.device)
        self.net.frame_path.to(memory_format=torch.channels_last)
        self.average = Average(self.net)
        self.parts = self._parts()
        self.material = Material(self.parts["train"])
        if "C" in options.stages:
            self._held_out()  # before an hour of work, not after it
        self.state: dict[str, Any] = {"stage": "A", "step": 0, "spent_s": 0.0}
        self.optimizer_state: dict[str, Any] | None = None
        self._load_checkpoint()

    def run(self) -> Path:
        options = self.options
        if self.state["stage"] == "A" and "A" in options.stages:
            self._stage_a()
            self._next_stage("B")
        bench = Bench(self.device, options.workers, options.seed + 1000, batch=4)
        values = CalibrationValues(0.0, 1.0, 0.0)
        if self.state["stage"] == "B" and "B" in options.stages:
            self._stage_b()
            self._next_stage("C")
        figures: dict[str, float] = {}
        with stage_bar("C: calibration, figures", quiet=options.quiet) as bar:
            if "C" in options.stages:
                values = calibrate(self.net, self._held_out(), options.target_fpr, bench)
            bar.update(TaskID(0), completed=0.5)
            if self.parts["dev"]:
                figures = measure(self.net, self.parts["dev"], values, bench)
            bar.update(TaskID(0), completed=1.0)
        self._log({"stage": "C", "a": values.a, "b": values.b, "c": values.c, **figures})
        return self._write(values, figures)

    def _parts(self) -> dict[str, list[Found]]:
        options = self.options
        rows = read_manifest(options.manifest, options.split)
        if options.split is None and any(row.split == "train" for row in rows):
            rows = [row for row in rows if row.split == "train"]
        cache = TrackCache(options.cache or options.output / "faces")
        failures = cache.build(rows, quiet=options.quiet)
        for failure in failures:
            self._log({"stage": "faces", "file": failure.file, "left out": failure.reason})
        shared = share_out(rows, options.seed, Shares(placed=options.placed))
        return {name: cache.load(part) for name, part in shared.items()}

    def _held_out(self) -> list[Found]:
        """What to calibrate on: the calibration part, or dev where that has no real face."""
        for part in (self.parts["calibration"], self.parts["dev"]):
            if any(not row.fake for row, _ in part):
                return part
        groups = len({row.group for part in self.parts.values() for row, _ in part})
        raise ConfigError(
            f"nothing real to calibrate on: of {groups} groups none with a real face was held out. Give files that do "
            "not belong together groups of their own, add some, or try another seed"
        )

    def _stage_a(self) -> None:
        options = self.options
        stage = StageA(self.started, options.rate_head, options.rate_backbone, options.batch)
        budget = self._budget(SHARE_A if "B" in options.stages else 0.9)
        optimizer = stage.optimizer(self.net)
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
        samples = ImageSamples(self.material, options.mixture, options.seed, ENDLESS)
        batches = loader(samples, options.batch, options.workers, start=self.state["step"])
        freeze(self.net, self.started)
        saved_at = time.monotonic()
        with stage_bar("A: single faces", quiet=options.quiet) as bar:
            for batch in batches:
                step = self.state["step"]
                share = budget.share(step)
                if share >= 1:
                    break
                torch.manual_seed(options.seed * 1_000_003 + step)  # dropout is the same after a resume
                set_rate(optimizer, cosine(share))
                loss, values = stage.loss(self.net, batch, self.device)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self.net.frame_path.parameters(), 5.0)
                optimizer.step()
                self.average.update(self.net, step)
                self.state.update(step=step + 1, spent_s=budget.used_s())
                bar.update(TaskID(0), completed=share)
                if step % 50 == 0:
                    self._log(
                        {
                            "stage": "A",
                            "step": step,
                            "share": round(share, 4),
                            **{k: float(v.detach()) for k, v in values.items()},
                        }
                    )
                if time.monotonic() - saved_at > CHECKPOINT_S:
                    self._save_checkpoint(optimizer)
                    saved_at = time.monotonic()
            bar.update(TaskID(0), completed=1.0)
        self._save_checkpoint(optimizer)
        self.net.load_state_dict(self.average.net.state_dict())

    def _stage_b(self) -> None:
        options = self.options
        self.net.frame_path.requires_grad_(False)
        encoded = self._encode()
        stage = StageB()
        budget = self._budget(SHARE_B)
        optimizer = stage.optimizer(self.net)
        generator = torch.Generator().manual_seed(options.seed)
        self.average = Average(self.net)
        with stage_bar("B: windows", quiet=options.quiet) as bar:
            while True:
                step = self.state["step"]
                share = budget.share(step)
                if options.steps is None:
                    share = max(share, stage.share(step, len(encoded.features)))
                if share >= 1:
                    break
                torch.manual_seed(options.seed * 1_000_003 + step)
                self.net.window_path.train()
                set_rate(optimizer, cosine(share))
                chosen = torch.randint(len(encoded.features), (stage.batch,), generator=generator).to(self.device)
                loss, right = stage.loss(self.net, encoded, chosen, self.device, step)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(self.net.window_path.parameters(), 5.0)
                optimizer.step()
                self.average.update(self.net, step)
                self.state.update(step=step + 1, spent_s=budget.used_s())
                bar.update(TaskID(0), completed=share)
                if step % 50 == 0:
                    self._log(
                        {
                            "stage": "B",
                            "step": step,
                            "share": round(share, 4),
                            "loss": float(loss.detach()),
                            "right": float(right),
                        }
                    )
            bar.update(TaskID(0), completed=1.0)
        self.net.load_state_dict(self.average.net.state_dict())

    def _encode(self) -> Encoded:
        options = self.options
        budget = self._budget(SHARE_ENCODE)
        budget.spent_s = 0.0
        limit = options.max_windows if options.steps is None else 2 * options.steps
        samples = WindowSamples(self.material, options.mixture, options.seed, ENDLESS)
        batches = loader(samples, 4, options.workers)
        with stage_bar("B: encoding windows", quiet=options.quiet) as bar:

            def enough(count: int) -> bool:
                share = count / limit if options.steps is not None else max(count / limit, budget.share(0))
                bar.update(TaskID(0), completed=min(1.0, share))
                return share >= 1

            encoded = encode_all(self.net, iter(batches), self.device, enough)
        self._log({"stage": "B", "windows": len(encoded.features)})
        return encoded

    def _budget(self, share: float) -> Budget:
        budget = Budget(self.options.minutes * 60 * share, self.options.steps, self.state["spent_s"])
        budget.start()
        return budget

    def _next_stage(self, stage: str) -> None:
        self.state, self.optimizer_state = {"stage": stage, "step": 0, "spent_s": 0.0}, None
        self._save_checkpoint(None)

    def _save_checkpoint(self, optimizer: torch.optim.Optimizer | None) -> None:
        kept = Checkpoint(
            state=self.state,
            options=self.options.fingerprint(),
            net=self.net.state_dict(),
            average=self.average.net.state_dict(),
            optimizer=None if optimizer is None else optimizer.state_dict(),
        )
        save_checkpoint(self.options.output / CHECKPOINT, kept)

    def _load_checkpoint(self) -> None:
        path = self.options.output / CHECKPOINT
        if not self.options.resume or not path.exists():
            return
        saved = load_checkpoint(path, self.device, self.options.fingerprint())
        self.net.load_state_dict(saved.net)
        self.average.net.load_state_dict(saved.average)
        self.state, self.optimizer_state = saved.state, saved.optimizer

    def _log(self, values: Mapping[str, object]) -> None:
        with (self.options.output / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    def _write(self, values: CalibrationValues, figures: Mapping[str, float]) -> Path:
        calibration = self.net.calibration
        calibration.a.fill_(values.a)
        calibration.b.fill_(values.b)
        calibration.c.fill_(values.c)
        path = self.options.output / f"{self.options.name}.safetensors"
        save_weights(self.net, self._card(figures), path)
        return path

    def _card(self, figures: Mapping[str, float]) -> WeightsCard:
        options = self.options
        rows: list[Row] = [row for row, _ in self.parts["train"]]
        reals, fakes = count_kinds(rows)
        return WeightsCard(
            name=options.name,
            version=options.version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            description=f"Trained on {reals} real and {fakes} fake files and pseudo-fakes of the real ones.",
            trained_on=tuple(sorted({row.method for row in rows})),
            licence="not stated",
            measured={f"dev.{name}": Measured(value) for name, value in figures.items()},
            limits=("Trained for one folder of files; how it does elsewhere was not measured.",),
            seeds=(options.seed,),
            command=f"deepfake-monitor train {options.manifest.name} --minutes {options.minutes:g}",
        )
