"""What a score rests on, in the JSON of the live websocket and of the answer about a video: the same words in both."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from analyzer.datatypes import Evidence


class ScoreEvidence(BaseModel):
    """Where the network looked and which pictures counted; attention, not proof of what was changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: tuple[tuple[int, ...], ...] = Field(
        description="7 rows of 7, 0 to 100: how much it looked at each part of the newest crop."
    )
    when: tuple[float, ...] | None = Field(
        description="16, oldest first, sum 1: how much each picture weighed in the window path. Null where that path "
        "has no say with these weights, and is not computed."
    )
    counted: tuple[float, ...] = Field(
        description="16 logits, oldest first, whose mean is the score's logit: each is the score with this picture's "
        "opinion in place of the mean of all 16. Empty where the backend cannot tell."
    )
    frame_logits: tuple[float, ...] = Field(description="16, oldest first: the raw opinion of each picture alone.")
    window_logit: float | None = Field(description="The raw opinion of the window path; null likewise.")
    calibration_percentile: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the windows of real faces in the calibration material that score lower. Null where the "
        "weights card does not say.",
    )


def score_evidence(evidence: Evidence | None) -> ScoreEvidence | None:
    """`evidence` rounded to what people can use; None without any, or when its numbers are none: JSON has no word."""
    if evidence is None or not evidence.sane:
        return None
    return ScoreEvidence(
        where=tuple(tuple(round(100 * cell) for cell in row) for row in evidence.where),
        when=None if evidence.when is None else tuple(round(weight, 3) for weight in evidence.when),
        counted=tuple(round(logit, 2) for logit in evidence.counted),
        frame_logits=tuple(round(logit, 2) for logit in evidence.frame_logits),
        window_logit=None if evidence.window_logit is None else round(evidence.window_logit, 2),
        calibration_percentile=None
        if evidence.calibration_percentile is None
        else round(evidence.calibration_percentile, 3),
    )
