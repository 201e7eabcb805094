"""Makes weights: cut out faces, train single faces (A), train windows (B), calibrate (C), write file and card.

Runs for a stated number of minutes, keeps a checkpoint and takes it up again, writes what it measures as JSON lines,
and is deterministic for a seed where it is told a number of steps instead of minutes.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from torch import Tensor

from analyzer.datatypes import ScoreCurve
from analyzer.errors import ConfigError, WeightsError
from analyzer.model.backbone import NUM_STAGES, load_backbone_start
from analyzer.model.card import CalibrationValues, Measured, WeightsCard
from analyzer.model.network import DeepfakeNet
from analyzer.model.weights import load_weights, round_as_saved, save_weights
from analyzer.training.data.dataset import Found
from analyzer.training.fit.autoencoders import FIRST_LAYERS, Painting, wanted
from analyzer.training.fit.calibrate import Calibrated
from analyzer.training.fit.checkpoint import CHECKPOINT, Checkpoint, digest_of_parts, load_checkpoint, save_checkpoint
from analyzer.training.fit.depthwise import quicken
from analyzer.training.fit.encoded import ENCODED, Encoded, digest_of, encode_all, load_encoded, save_encoded
from analyzer.training.fit.loop import Average, Budget, Loop, Place, step_seed
from analyzer.training.fit.measure import Bench, Glance, clips, measure
from analyzer.training.fit.new_card import (
    CALIBRATED_ON_DEV,
    CALIBRATED_ON_PICTURES,
    Origin,
    command_of,
    make_card,
    same_but_for_time,
)
from analyzer.training.fit.options import TrainOptions
from analyzer.training.fit.precision import faster_precision, pick_device, training_pace
from analyzer.training.fit.refit import CROPS as REFIT_CROPS
from analyzer.training.fit.refit import FEWEST_GROUPS, refit_statistics
from analyzer.training.fit.splits import gather
from analyzer.training.fit.stage_c import StageC, card_figures
from analyzer.training.fit.stages import StageA, StageB, freeze, keep_of_start, loader
from analyzer.training.pseudofakes.autoencoder import Painter
from analyzer.training.reporting.metrics_log import MetricsLog
from analyzer.training.reporting.plots import NOTE, draw_plots, have_matplotlib
from analyzer.training.reporting.progress import StageProgress
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.samples import CROPS, ImageSamples, UnpairedSamples, WindowSamples

__all__ = ["TrainOptions", "run_training"]

SHARE_A: Final = 0.55
SHARE_ENCODE: Final = 0.25
SHARE_B: Final = 0.12
"""Of the time that the painters leave, for single faces, encoding windows, and learning from them; the rest is for
calibration and figures."""
ENDLESS: Final = 10_000_000
UNSEEN_CLIPS: Final = 8
"""Real clips that stage B must have of its own; with fewer it learns from those of stage A as well."""


NOTHING_LEFT: Final = (
    "nothing is left to learn here, the weights are only calibrated and written anew; to learn more give another "
    "--output, with these weights as --start"
)


def run_training(options: TrainOptions) -> Path:
    """Train and write `output`/`name`.safetensors with its card; the path of the weights.

    Raises `ConfigError` for a bad manifest, option or too little material, and for a disk that is full or may not be
    written to; `WeightsError` for unusable start weights or a checkpoint of other options or files.
    """
    try:
        return _Run(options).run()
    except OSError as error:
        raise ConfigError(f"{error.filename or options.output}: {error.strerror or error}") from error


class _Run:
    """One training run: owns the network, its average, and the files in the output folder."""

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        options.check()
        self.device = pick_device(options.device)
        options.output.mkdir(parents=True, exist_ok=True)
        self._log = MetricsLog(options.output, anew=not options.resume)
        if not have_matplotlib():
            self._log({"note": NOTE})
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        self.net = DeepfakeNet()
        self.start: WeightsCard | None = None
        self.start_state: Mapping[str, Tensor] = {}
        self.origin = ""
        self.started: Sequence[int] = ()
        self.window_path_knows = ""
        if options.start is not None:
            self.start_state, self.start = load_weights(options.start)
            self.net.load_state_dict(self.start_state)
            self.origin = self.start.sha256
            self.window_path_knows = digest_of(self.net) if self.start.calibration.a > 0 else ""
            self.started = range(NUM_STAGES)
        elif options.init is not None:
            load_backbone_start(self.net, options.init, options.init_stages)
            self.started, self.origin = options.init_stages, _sha256_of(options.init)
        self.net.to(self.device)
        self.net.frame_path.to(memory_format=torch.channels_last)
        self.average = Average(self.net)
        self.parts = gather(options, self._log)
        if set(options.stages) & set("AB"):
            self.material = Material(self.parts["train"])
        if "C" in options.stages:
            self._held_out()  # before an hour of work, not after it
        self.painters: list[Painter] = []
        self.place = Place()
        self.seen: list[str] = []
        self.commands: list[str] = []
        self.limits: list[str] = []
        self.digest = digest_of_parts(self.parts)
        self.optimizer_state: dict[str, Any] | None = None
        self._load_checkpoint()
        self.bench = Bench(self.device, options.workers, options.seed + 1000, batch=4)

    def run(self) -> Path:
        options = self.options
        if "A" not in options.stages and self.start is None and self.place.stage == "A":
            raise ConfigError("without stage A there is nothing to go on from: give trained weights (--start)")
        learned = self.place.stage
        if set(options.stages) & set("AB"):
            layers = self.net.frame_path.backbone.features[:FIRST_LAYERS]
            painting = Painting(
                options, f"{self._fingerprint()} {self.digest}", self.material, layers, self.device, self._log
            )
            self.painters = painting.run()
        if self.place.stage == "A":
            if "A" in options.stages:
                self._stage_a()
            self._next_stage("B")
        if self.place.stage == "B" and "B" in options.stages:
            self._stage_b()
            self._next_stage("C")
            (options.output / ENCODED).unlink(missing_ok=True)
        if set(options.stages) & set("AB") and self.place.stage == learned:
            self._tell(NOTHING_LEFT)
        return self._finish()

    def _finish(self) -> Path:
        """Stage C, figures of dev, weights and card."""
        round_as_saved(self.net)
        trained = self._window_path_is_trained()
        values = CalibrationValues(0.5, 0.5, 0.0) if trained else CalibrationValues(0.0, 1.0, 0.0)
        figures: dict[str, Measured] = {}
        curve: ScoreCurve | None = None
        if "C" in self.options.stages:
            found = self._calibrate(window_counts=trained)
            values, figures, curve = found.values, card_figures(found, self.options.rule), found.real_scores
        with StageProgress("C: figures of dev", quiet=self.options.quiet, endless=True):
            on_dev = measure(self.net, self.parts["dev"], values, replace(self.bench, painters=self.painters))
        operating = {name: asdict(figure) for name, figure in figures.items()}
        self._log({"stage": "C", **asdict(values), **on_dev.figures, **operating, "reliability": on_dev.reliability})
        self._draw()
        measured = figures | {f"dev.{name}": Measured(value) for name, value in on_dev.figures.items()}
        return self._write(values, measured, curve)

    def _calibrate(self, *, window_counts: bool) -> Calibrated:
        options, held_out = self.options, self._held_out()
        with StageProgress("C: calibration", quiet=options.quiet, endless=True):
            found = StageC(self.bench, options.rule, window_counts=window_counts).calibrate(self.net, held_out)
        self.limits += [CALIBRATED_ON_DEV] if held_out is self.parts["dev"] else []
        self.limits += [CALIBRATED_ON_PICTURES] if found.pictures == found.clips.count else []
        return found

    def _window_path_is_trained(self) -> bool:
        """On the features that there are now: in stage B of this run, or before it if they are still the same."""
        return self.place.stage == "C" or self.window_path_knows == digest_of(self.net)

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
        options, stage = self.options, self._as_stage_a()
        self._begin("train")
        freeze(self.net, self.started, options.freeze)
        if self.device.type == "cpu":
            quicken(self.net)
        self.place.precision = self._precision()
        samples = ImageSamples(self.material, options.mixture, options.seed, ENDLESS, self.painters)
        workers = self._sample_workers(stage, samples)
        batches = loader(samples, options.batch, workers, start=self.place.step)

        def loss_of(batch: Sequence[Tensor], _: int) -> tuple[Tensor, dict[str, Tensor]]:
            return stage.loss(self.net, batch, self.device, self.place.precision)

        loop = self._loop(stage.optimizer(self.net), SHARE_A if "B" in options.stages else 0.9, self._glancing())
        with StageProgress("A: single faces", quiet=options.quiet) as progress:
            loop.run(iter(batches), loss_of, progress)
        self._save_checkpoint(loop.optimizer)
        self.net.load_state_dict(self.average.net.state_dict())
        if options.start_share:
            keep_of_start(self.net, self.start_state, options.start_share)
        self._refit()

    def _refit(self) -> None:
        """Fit the layer on the stage statistics anew, where there are enough groups of both kinds."""
        groups = min(self.material.groups(fake=fake) for fake in (False, True))
        if groups < FEWEST_GROUPS:
            self._log(
                {"stage": "A", "note": f"last layer not refitted: {groups} groups of a kind, {FEWEST_GROUPS} needed"}
            )
            return
        samples = UnpairedSamples(self.material, self.options.mixture, self.options.seed, REFIT_CROPS)
        batches = loader(samples, 32, self.options.workers)
        with StageProgress("A: last layer", quiet=self.options.quiet) as progress:

            def counted() -> Iterator[Sequence[Tensor]]:
                for done, batch in enumerate(batches, start=1):
                    yield batch
                    progress.update(done / len(batches))

            loss = refit_statistics(self.net, counted(), self.device, self.place.precision)
        self._log({"stage": "A", "refitted on": REFIT_CROPS, "log loss": round(loss, 4)})

    def _as_stage_a(self) -> StageA:
        options = self.options
        return StageA(self.started, options.rate_head, options.rate_backbone, options.sizes)

    def _sample_workers(self, stage: StageA, samples: ImageSamples) -> int:
        """Processes that make samples: one or all `--workers`, whichever trains faster on this CPU.

        More of them take the cores from the network.
        """
        options = self.options
        if self.device.type != "cpu" or options.workers < 2 or options.steps is not None:
            return options.workers

        def loss_of(net: DeepfakeNet, batch: Sequence[Tensor]) -> Tensor:
            return stage.loss(net, batch, self.device, self.place.precision)[0]

        paces = {}
        for count in (1, options.workers):
            batches = iter(loader(samples, options.batch, count, start=self.place.step))
            paces[count] = training_pace(self.net, batches, loss_of)
            del batches  # ends its processes
        chosen = max(paces, key=lambda count: paces[count])
        faces = {count: round(pace * options.batch * CROPS, 1) for count, pace in paces.items()}
        self._log({"stage": "A", "workers": chosen, "faces_per_s": faces})
        return chosen

    def _precision(self) -> str:
        """What to learn in, and to encode what is learned from."""
        options, stage = self.options, self._as_stage_a()
        if options.precision != "auto":
            return options.precision
        if self.place.precision:
            return self.place.precision  # as it was before this run was taken up again
        if self.device.type != "cpu":
            return "bfloat16"
        if options.steps is not None:
            return "float32"  # what a clock says is not the same twice
        samples = ImageSamples(self.material, options.mixture, options.seed, options.batch)
        batch = next(iter(loader(samples, options.batch, 0)))
        chosen = faster_precision(self.net, lambda net, precision: stage.loss(net, batch, self.device, precision)[0])
        self._log({"stage": "A", "precision": chosen})
        return chosen

    def _glancing(self) -> Callable[[], None]:
        """Measures the average of the weights on dev once in a while, and at the start."""
        every_s, last_s = self.options.measure_every * 60, -math.inf
        glance = Glance(self.parts["dev"], self.bench) if every_s else None

        def glance_when_due() -> None:
            nonlocal last_s
            if glance is not None and time.monotonic() - last_s >= every_s:
                self._log_glance(glance)
                last_s = time.monotonic()

        return glance_when_due

    def _log_glance(self, glance: Glance) -> None:
        figures = glance.measure(self.average.net, self.place.precision)
        if figures:
            seconds, faces = round(self.place.spent_s, 1), self.place.step * self.options.batch * CROPS
            self._log({"stage": "dev", "step": self.place.step, "spent_s": seconds, "faces": faces, **figures})
            self._draw()

    def _stage_b(self) -> None:
        options = self.options
        self.place.precision = self._precision()
        self.net.requires_grad_(True)
        self.net.frame_path.requires_grad_(False)
        if self.optimizer_state is None:
            self.average = Average(self.net)
        encoded = self._encode()
        if self.optimizer_state is None:
            self._save_checkpoint(None)
        stage = StageB()

        def batches() -> Iterator[Tensor]:
            while True:
                draw = torch.Generator().manual_seed(step_seed(options.seed, self.place.step))
                yield torch.randint(len(encoded.features), (stage.batch,), generator=draw).to(self.device)

        def loss_of(chosen: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
            loss, right = stage.loss(self.net, encoded, chosen, self.device, self.place.precision, step)
            return loss, {"loss": loss, "right": right}

        self.net.window_path.train()
        loop = self._loop(stage.optimizer(self.net), SHARE_B)
        most = stage.most(len(encoded.features)) if options.steps is None else None
        with StageProgress("B: windows", quiet=options.quiet) as progress:
            loop.run(batches(), loss_of, progress, most=most)
        self.net.load_state_dict(self.average.net.state_dict())

    def _encode(self) -> Encoded:
        options = self.options
        path, made_by = options.output / ENCODED, digest_of(self.net)
        kept = load_encoded(path, made_by, self.device) if self.place.windows else None
        if kept is not None:
            return kept
        budget = Budget(self._seconds(SHARE_ENCODE))
        budget.start()
        # so many as before, should a run be taken up whose windows are gone
        steps_or_all = options.max_windows if options.steps is None else 2 * options.steps
        limit, by_count = self.place.windows or steps_or_all, bool(self.place.windows) or options.steps is not None
        samples = WindowSamples(self._unseen(), options.mixture, options.seed, ENDLESS, self.painters)
        batches = loader(samples, 4, options.workers)
        with StageProgress("B: encoding windows", quiet=options.quiet) as progress:

            def enough(count: int) -> bool:
                share = count / limit if by_count else max(count / limit, budget.share(0))
                progress.update(min(1.0, share))
                return share >= 1

            encoded = encode_all(self.net, iter(batches), self.device, self.place.precision, enough)
        save_encoded(path, encoded, made_by)
        self.place.windows = len(encoded.features)
        self._log({"stage": "B", "windows": self.place.windows})
        return encoded

    def _unseen(self) -> Material:
        """What stage A has not seen, and its own material too where that has hardly a real clip."""
        part, names = self.parts["window"], ["window"]
        if sum(not row.fake for row, _ in clips(part)) < UNSEEN_CLIPS:
            part, names = [*part, *self.parts["train"]], ["window", "train"]
            self._log({"stage": "B", "note": "few real clips are kept for windows: those of stage A are used as well"})
        self._begin(*names)
        return Material(part)

    def _loop(self, optimizer: torch.optim.Optimizer, share: float, beside: Callable[[], None] = lambda: None) -> Loop:
        """A stage's loop, taken up where the checkpoint left it."""
        options = self.options
        if self.optimizer_state is not None:
            optimizer.load_state_dict(self.optimizer_state)
        return Loop(
            net=self.net,
            trained=self.net,
            optimizer=optimizer,
            average=self.average,
            budget=Budget(self._seconds(share), options.steps, self.place.spent_s),
            place=self.place,
            seed=options.seed,
            log=self._log,
            save=self._save_checkpoint,
            beside=beside,
        )

    def _seconds(self, share: float) -> float:
        """So much of what the painters leave of the time."""
        options = self.options
        return options.minutes * 60 * share * ((1 - options.painter_share) if wanted(options) else 1)

    def _next_stage(self, stage: str) -> None:
        self.place, self.optimizer_state = Place(stage=stage, precision=self.place.precision), None
        self._save_checkpoint(None)

    def _begin(self, *parts: str) -> None:
        """Something is going to be learned from these parts by this command."""
        self.seen += [part for part in parts if part not in self.seen]
        command = command_of(self.options)
        self.commands += [command] if command not in self.commands else []

    def _save_checkpoint(self, optimizer: torch.optim.Optimizer | None) -> None:
        kept = Checkpoint(
            place=asdict(self.place),
            options=self._fingerprint(),
            material=self.digest,
            seen=self.seen,
            commands=self.commands,
            net=self.net.state_dict(),
            average=self.average.net.state_dict(),
            optimizer=None if optimizer is None else optimizer.state_dict(),
        )
        save_checkpoint(self.options.output / CHECKPOINT, kept)

    def _load_checkpoint(self) -> None:
        path = self.options.output / CHECKPOINT
        if not self.options.resume or not path.exists():
            return
        saved = load_checkpoint(path, self._fingerprint(), self.digest)
        try:
            self.net.load_state_dict(saved.net)
            self.average.net.load_state_dict(saved.average)
            self.place = Place(**saved.place)
        except (RuntimeError, TypeError) as error:  # of a network, or a run, as older versions had them
            raise WeightsError(f"{path}: made by another version; delete it to start anew") from error
        self.optimizer_state, self.seen, self.commands = saved.optimizer, saved.seen, saved.commands

    def _fingerprint(self) -> str:
        return self.options.fingerprint(self.origin)

    def _tell(self, note: str) -> None:
        self._log({"note": note})
        if not self.options.quiet:
            Console(stderr=True).print(note, highlight=False)

    def _draw(self) -> None:
        with contextlib.suppress(OSError):  # an hour's work does not end for want of a picture
            draw_plots(self.options.output)

    def _write(self, values: CalibrationValues, figures: Mapping[str, Measured], curve: ScoreCurve | None) -> Path:
        for name, value in asdict(values).items():
            self.net.calibration.get_buffer(name).fill_(value)
        path = self.options.output / f"{self.options.name}.safetensors"
        rows = [row for part in self.seen for row, _ in self.parts[part]]
        command = command_of(self.options)
        known = any(same_but_for_time(command, one) for one in self.commands)
        origin = Origin(rows, self.start, self.commands if known else [*self.commands, command], self.limits)
        card = replace(make_card(self.options, origin, figures), real_scores=curve)
        save_weights(self.net, card, path)
        return path


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
