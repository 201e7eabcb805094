from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.errors import ConfigError
from analyzer.evaluation.results.quality import baselines, quality, real_sources, table_rows
from analyzer.evaluation.results.rows import FIXED, LIP_SYNC, LIVE, POOLED, SWAP
from tests.analyzer.evaluation.tables import points, scored, unscored

FILES = [
    scored("r1", 0.1, fake=False, method="door", group="a"),
    scored("r2", 0.6, fake=False, method="desk", group="a"),
    scored("f1", 0.9, fake=True, family="face swap", method="inswapper", group="b"),
    scored("f2", 0.4, fake=True, family="lip-sync", group="c"),
    scored("f3", 0.2, fake=True, family="puppetry", group="c"),
]


def test_every_fixed_row_is_there_whether_measured_or_not_and_unknown_families_follow() -> None:
    rows = table_rows(FILES, [], 0.5)
    assert [row.name for row in rows] == [*FIXED, "puppetry", POOLED]
    found = {row.name: row.quality for row in rows}
    assert found["replay"] is None
    assert found["full synthesis"] is None
    swaps, live = found[SWAP], found[LIVE]
    assert swaps is not None
    assert swaps == live
    assert (swaps.n_fake, swaps.n_real, swaps.auc) == (1, 2, 1.0)


def test_counts_at_the_threshold_and_sources_are_counted_by_kind() -> None:
    found = quality(FILES, 0.5)
    assert (found.flagged_real, found.flagged_fake) == (1, 1)
    assert (found.real_groups, found.fake_groups) == (1, 2)
    assert found.few
    assert quality(FILES, 0.6).flagged_real == 1  # the threshold itself is fake


def test_a_file_without_a_fit_face_is_an_abstention_a_broken_one_is_not() -> None:
    silent = [
        unscored("s1", fake=True, family="lip-sync"),
        unscored("s2", fake=False),
        unscored("s3", "not_a_video", fake=True, family="lip-sync"),
        unscored("s4", fake=True, family="replay"),
    ]
    found = {row.name: row.quality for row in table_rows(FILES, silent, 0.5)}
    lips, replay, pooled = found[LIP_SYNC], found["replay"], found[POOLED]
    assert lips is not None
    assert replay is not None
    assert pooled is not None
    assert lips.abstention(everything=False) == pytest.approx(1 / 2)
    assert replay.n_fake == 0
    assert replay.abstention(everything=False) == 1.0
    assert pooled.abstention(everything=True) == pytest.approx(3 / 8)


def test_real_files_are_told_by_where_they_come_from() -> None:
    found = real_sources(FILES, [unscored("s", fake=False, family="cellar")], 0.5)
    assert found.keys() == {"door", "desk", "cellar method"}
    assert found["desk"].rates.fpr == 1.0
    assert found["door"].auc is None
    assert found["cellar method"].abstention(everything=True) == 1.0


def test_baselines_rank_by_one_path_alone_and_by_nothing() -> None:
    # frames tell them apart, windows have it the wrong way round
    files = [
        replace(scored("r", 0.2, fake=False), timeline=points((3.0, -1.0), (1.0, -3.0))),
        replace(scored("f", 0.7, fake=True), timeline=points((-2.0, 2.0))),
    ]
    found = {row.name: row.quality for row in baselines(files, 0.5)}
    assert list(found) == ["constant .5", "frame path only", "window path only", "full"]
    aucs = {name: one.auc for name, one in found.items() if one is not None}
    assert aucs == {"constant .5": 0.5, "frame path only": 1.0, "window path only": 0.0, "full": 1.0}


def test_a_path_is_judged_by_the_rule_of_the_card() -> None:
    # one window in four is suspicious: its top quarter tells the fake, its mean does not
    files = [
        replace(scored("r", 0.2, fake=False), timeline=points(*[(0.0, 0.0)] * 4)),
        replace(scored("f", 0.7, fake=True), timeline=points((0.0, 2.0), *[(0.0, -1.0)] * 3)),
    ]
    aucs = []
    for aggregate in ("windows", "windows_top"):
        frames = baselines(files, 0.5, aggregate)[1].quality
        assert frames is not None
        aucs.append(frames.auc)
    assert aucs == [0.0, 1.0]
    assert [row.quality is None for row in baselines(files, 0.5, "evenly_spaced")] == [False, True, True, False]
    with pytest.raises(ConfigError, match="no aggregate"):
        baselines(files, 0.5, "best")


def test_real_files_alone_are_few_by_their_own_number() -> None:
    files = [scored(str(i), 0.1, fake=False) for i in range(20)]
    assert not quality(files, 0.5).few
    assert quality(files[1:], 0.5).few
    assert quality([*files, scored("f", 0.9, fake=True)], 0.5).few
    assert quality([], 0.5).few


def test_a_path_is_judged_by_its_most_suspicious_face() -> None:
    two_faces = (*points((0.0, -5.0), (0.0, -5.0)), *points((0.0, 4.0), (0.0, 4.0), face_id=2))
    files = [
        replace(scored("r", 0.2, fake=False), timeline=points((0.0, 3.0))),
        replace(scored("f", 0.7, fake=True), timeline=two_faces),
    ]
    frames = baselines(files, 0.5)[1].quality
    assert frames is not None
    assert frames.auc == 1.0


def test_a_backend_that_tells_no_paths_leaves_their_rows_empty() -> None:
    files = [replace(one, timeline=points((None, None))) for one in FILES]
    found = {row.name: row.quality for row in baselines(files, 0.5)}
    assert found["frame path only"] is None
    assert found["window path only"] is None
    assert found["full"] is not None


def test_without_any_file_there_are_rows_and_no_figures() -> None:
    rows = table_rows([], [], 0.5)
    assert [row.name for row in rows] == [*FIXED, POOLED]
    assert rows[-1].quality is not None
    assert rows[-1].quality.auc is None
    assert all(row.quality is None or row.quality.auc is None for row in baselines([], 0.5))
