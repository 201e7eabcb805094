"""The command `train`; analyzer/training does the work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MORE = "Fine tuning"


def train(  # noqa: PLR0913  # one parameter per option, as typer wants it
    manifest: Annotated[
        Path,
        typer.Argument(
            help="A folder with real/ and fake/METHOD/, or a tab-separated list with a header: `file` (relative to the "
            "list), `kind` (real or fake), `method`; optionally `split`, `family`, `group`, `paired_real`, `label_of`.",
            show_default=False,
        ),
    ],
    *,
    add: Annotated[
        list[Path] | None, typer.Option(help="One more list to learn from, such as that of marks.zip; may be repeated.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoint, figures and weights.")],
    init: Annotated[
        Path | None, typer.Option(help="Start weights of the backbone (torchvision's EfficientNet-B0 features).")
    ] = None,
    init_stages: Annotated[
        int, typer.Option(min=1, max=8, help="So many stages, from the first, are taken from --init.")
    ] = 6,
    start: Annotated[
        Path | None, typer.Option(help="Trained weights, with their card, to go on from instead of --init.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train, all stages together.")] = 60.0,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of each stage and painter, not minutes: repeatable to the bit."),
    ] = None,
    stages: Annotated[str, typer.Option(help="A single faces, B windows, C calibration: which to run.")] = "ABC",
    seed: Annotated[int, typer.Option(help="Same seed, same choices.")] = 0,
    split: Annotated[
        str | None,
        typer.Option(help="Only rows of this split.", show_default="none, or train, dev, calibration, window"),
    ] = None,
    place: Annotated[
        Path | None, typer.Option(help="Two columns, group and part: train, window, dev or calibration.")
    ] = None,
    name: Annotated[str, typer.Option(help="File name of the weights, without suffix.")] = "deepfake-monitor-custom",
    cache: Annotated[
        Path | None, typer.Option(help="Where cut-out faces are kept for the next run.", show_default="in --output")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from a checkpoint in --output.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    preview: Annotated[
        Path | None, typer.Option(help="Only draw contact sheets of what would be learned from into this folder.")
    ] = None,
    calibrate_only: Annotated[
        bool, typer.Option("--calibrate-only", help="Stage C alone, on the weights given by --start.")
    ] = False,
    target_fpr: Annotated[
        float, typer.Option(help="Of real windows, so many may be flagged at 0.5.", rich_help_panel=_MORE)
    ] = 0.01,
    target_clip_fpr: Annotated[
        float, typer.Option(help="Of real clips, so many; the stricter decides.", rich_help_panel=_MORE)
    ] = 0.05,
    real_fakes: Annotated[
        float, typer.Option(min=0, max=1, help="Share of samples with a fake of yours.", rich_help_panel=_MORE)
    ] = 0.3,
    painter_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Of the time, to train painters of faces.", rich_help_panel=_MORE)
    ] = 0.1,
    start_share: Annotated[
        float, typer.Option(min=0, max=0.99, help="Of --start, so much stays in the weights.", rich_help_panel=_MORE)
    ] = 0.0,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A pseudo-fake family not to draw.", rich_help_panel=_MORE)
    ] = None,
    freeze: Annotated[
        int, typer.Option(min=0, max=8, help="Backbone stages that rest in stage A.", rich_help_panel=_MORE)
    ] = 1,
    size: Annotated[
        list[int] | None,
        typer.Option(
            help="Crop size in stage A: 160, 192 or 224 pixels; may be repeated, one is drawn for each step.",
            show_default="224",
            rich_help_panel=_MORE,
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16, in stage A.", rich_help_panel=_MORE)
    ] = "auto",
    rate_backbone: Annotated[float, typer.Option(help="Learning rate.", rich_help_panel=_MORE)] = 3e-5,
    rate_head: Annotated[float, typer.Option(help="Learning rate.", rich_help_panel=_MORE)] = 3e-4,
    batch: Annotated[
        int, typer.Option(min=1, help="Clips per step of stage A, 4 crops each.", rich_help_panel=_MORE)
    ] = 8,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make samples.", rich_help_panel=_MORE)] = 2,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of the network.", rich_help_panel=_MORE)
    ] = None,
    join: Annotated[bool, typer.Option(help="Put files that look alike into one part.", rich_help_panel=_MORE)] = True,
    window_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Of the groups, kept for stage B.", rich_help_panel=_MORE)
    ] = 0.25,
    measure_every: Annotated[
        float, typer.Option(min=0, help="Minutes between two looks at dev; 0: none.", rich_help_panel=_MORE)
    ] = 10.0,
) -> None:
    """Train weights from your own real and fake material; `evaluate` says what they are worth.

    Ctrl-C stops it; the same command goes on from the last checkpoint.
    """
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("expected letters, digits, `.`, `_` or `-`", param_hint="--name")
    if calibrate_only and start is None:
        raise typer.BadParameter("expected weights to calibrate (--start)", param_hint="--calibrate-only")
    from analyzer.training.data.manifest import read_places  # noqa: PLC0415
    from analyzer.training.fit.autoencoders import PAINTERS, load_painters  # noqa: PLC0415
    from analyzer.training.fit.calibrate import Rule  # noqa: PLC0415  # `--help` must not wait for torch
    from analyzer.training.fit.checkpoint import CHECKPOINT  # noqa: PLC0415
    from analyzer.training.fit.options import TrainOptions  # noqa: PLC0415
    from analyzer.training.fit.splits import gather  # noqa: PLC0415
    from analyzer.training.fit.train import run_training  # noqa: PLC0415
    from analyzer.training.pseudofakes.autoencoder import Painter  # noqa: PLC0415
    from analyzer.training.research.preview import write_sheets  # noqa: PLC0415
    from analyzer.training.sampling.mixture import Mixture  # noqa: PLC0415

    if calibrate_only and resume and (output / CHECKPOINT).exists():
        told = f"expected a folder without a run of its own, {output} has one"
        raise typer.BadParameter(told, param_hint="--output")
    options = TrainOptions(
        manifest=manifest, output=output, add=tuple(add or ()), init=init,
        init_stages=tuple(range(init_stages)), start=start,
        minutes=minutes, steps=steps, stages="C" if calibrate_only else stages.upper(),
        seed=seed, split=split, name=name, cache=cache,
        placed=read_places(place) if place is not None else {}, resume=resume, device=device,
        mixture=Mixture(real_fakes=real_fakes).without(leave_out or ()), freeze=freeze, sizes=tuple(size or (224,)),
        precision=precision, rate_backbone=rate_backbone, rate_head=rate_head, batch=batch, workers=workers,
        painter_share=painter_share, start_share=start_share, rule=Rule(target_fpr, target_clip_fpr),
        threads=threads, join=join, window_share=window_share, measure_every=measure_every,
    )  # fmt: skip
    if preview is None:
        typer.echo(f"{run_training(options)}")
        return
    options.check()
    found = gather(options, lambda _: None)["train"]
    painters = [Painter(net) for net in load_painters(output / PAINTERS)]
    *_, page = write_sheets(found, preview, seed=seed, painters=painters)
    typer.echo(f"{page}")
