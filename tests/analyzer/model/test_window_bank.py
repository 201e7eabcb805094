from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import FaceCrop, FaceKey
from analyzer.model.window_bank import Place, WindowBank, elapsed
from tests.nets import crop_of, random_face

CPU = torch.device("cpu")
PIXELS = random_face(0)


def _bank(max_windows: int = 4, stride: int = 1) -> WindowBank:
    bank = WindowBank(max_windows, max_gap_s=1.0, stride=stride, device=CPU)
    # what was never written must never be read
    assert bank._features is not None
    bank._features.fill_(float("nan"))
    bank._logits.fill_(float("nan"))
    return bank


def _crop(face_id: int, at_s: float, generation: int = 0) -> FaceCrop:
    return crop_of(PIXELS, face_id=face_id, at_s=at_s, generation=generation)


def _push(bank: WindowBank, *crops: FaceCrop) -> list[Place]:
    """Each face's features all hold its time, so that order can be read back."""
    places = bank.admit(crops)
    features = torch.stack([torch.full((128, 7, 7), crop.received_at_s) for crop in crops])
    bank.store(places, features, torch.tensor([-crop.received_at_s for crop in crops]))
    return places


def test_a_window_fills_one_face_at_a_time_and_is_due_when_full() -> None:
    bank = _bank()
    places = [_push(bank, _crop(1, i * 0.125))[0] for i in range(18)]
    assert [place.filled for place in places] == [*range(1, 17), 16, 16]
    assert [place.due for place in places] == [False] * 15 + [True] * 3


@pytest.mark.parametrize("pushed", [16, 17, 31, 32, 40])
def test_faces_come_out_in_the_order_of_time_wherever_the_ring_begins(pushed: int) -> None:
    bank = _bank()
    for i in range(pushed):
        _push(bank, _crop(1, i * 0.125), _crop(2, i * 0.125 + 0.0625))
    batch = bank.gather([FaceKey("s", 2), FaceKey("s", 1)])
    newest = torch.arange(pushed - 16, pushed) * 0.125
    assert batch.features is not None
    assert torch.equal(batch.features[1, :, 0, 0, 0], newest)
    assert torch.equal(batch.features[0, :, 5, 3, 3], newest + 0.0625)
    assert torch.equal(batch.frame_logits[1], -newest)
    assert torch.equal(batch.elapsed_s, torch.tensor([[0.0] + [0.125] * 15] * 2))


def test_a_gap_starts_the_window_again() -> None:
    bank = _bank()
    for i in range(16):
        _push(bank, _crop(1, i * 0.1))
    assert _push(bank, _crop(1, 1.5 + 1.01))[0].filled == 1


def test_a_pause_as_long_as_allowed_does_not() -> None:
    bank = _bank()
    _push(bank, _crop(1, 1.0))
    assert _push(bank, _crop(1, 2.0))[0].filled == 2


def test_a_new_generation_starts_the_window_again() -> None:
    bank = _bank()
    _push(bank, _crop(1, 1.0))
    assert _push(bank, _crop(1, 1.1, generation=1))[0].filled == 1


def test_time_that_goes_back_starts_the_window_again() -> None:
    bank = _bank()
    _push(bank, _crop(1, 1.0))
    assert _push(bank, _crop(1, 0.9))[0].filled == 1


def test_nothing_of_the_time_before_a_gap_is_left_in_the_window() -> None:
    bank = _bank()
    for i in range(20):
        _push(bank, _crop(1, i * 0.125))
    for i in range(16):
        _push(bank, _crop(1, 100 + i * 0.125))
    features = bank.gather([FaceKey("s", 1)]).features
    assert features is not None
    assert (features >= 100).all()


def test_with_a_stride_a_window_is_scored_when_it_fills_and_then_every_so_many_faces() -> None:
    bank = _bank(stride=3)
    due = [_push(bank, _crop(1, i * 0.1))[0].due for i in range(23)]
    assert [i for i, is_due in enumerate(due) if is_due] == [15, 18, 21]


def test_a_forgotten_face_starts_again_and_its_slot_serves_another() -> None:
    bank = _bank(max_windows=1)
    for i in range(16):
        _push(bank, _crop(1, i * 0.1))
    bank.forget(FaceKey("s", 1))
    assert len(bank) == 0
    assert _push(bank, _crop(2, 1.6))[0].filled == 1
    assert bank.evicted == 0


def test_forgetting_an_unknown_face_is_fine() -> None:
    bank = _bank()
    bank.forget(FaceKey("s", 9))
    assert bank.max_windows == 4


def test_a_full_bank_gives_up_the_face_unseen_for_longest_and_counts_it() -> None:
    bank = _bank(max_windows=2)
    _push(bank, _crop(1, 0.0))
    _push(bank, _crop(2, 0.1))
    _push(bank, _crop(1, 0.2))
    _push(bank, _crop(3, 0.3))  # takes the slot of 2
    assert bank.evicted == 1
    assert _push(bank, _crop(1, 0.4))[0].filled == 3
    assert _push(bank, _crop(2, 0.5))[0].filled == 1


def test_a_newcomer_never_evicts_a_face_of_its_own_batch() -> None:
    bank = _bank(max_windows=2)
    _push(bank, _crop(1, 0.0))
    _push(bank, _crop(2, 0.1))
    places = _push(bank, _crop(3, 0.2), _crop(1, 0.2))
    assert [place.filled for place in places] == [1, 2]
    assert len({place.slot for place in places}) == 2


def test_two_crops_of_one_face_or_more_than_fit_are_refused() -> None:
    bank = _bank(max_windows=2)
    with pytest.raises(ValueError, match="one crop per face"):
        bank.admit([_crop(1, 0.0), _crop(1, 0.1)])
    with pytest.raises(ValueError, match="2 crops"):
        bank.admit([_crop(i, 0.0) for i in range(3)])


def test_the_same_face_number_in_two_streams_has_two_windows() -> None:
    bank = _bank()
    _push(bank, _crop(1, 0.0))
    other = replace(_crop(1, 0.0), key=FaceKey("other", 1))
    assert _push(bank, other)[0].filled == 1
    assert len(bank) == 2


def test_milliseconds_survive_a_clock_of_months() -> None:
    start = 3e7
    times = [start + i * 0.0625 for i in range(NUM_FRAMES)]
    assert torch.equal(elapsed([times]), torch.tensor([[0.0] + [0.0625] * 15]))


def test_a_window_takes_196_kib() -> None:
    bank = WindowBank(1, 1.0, 1, CPU)
    assert bank._features is not None
    assert bank._features.numel() * bank._features.element_size() == 196 * 1024


def test_a_bank_without_features_keeps_the_frame_logits_alone() -> None:
    bank = WindowBank(1, 1.0, 1, CPU, features=False)
    for i in range(18):
        _push(bank, _crop(1, i * 0.125))
    batch = bank.gather([FaceKey("s", 1)])
    assert batch.features is None
    assert torch.equal(batch.frame_logits[0], -torch.arange(2, 18) * 0.125)
