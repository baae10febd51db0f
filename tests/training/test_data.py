"""Batches depend on the seed and their number alone; broken photos are replaced, missing ones named."""

import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.training.batches import TRAINING, VALIDATION, stream_batches
from hndesc.training.data import Batch, PairBatches
from hndesc.training.settings import training_settings
from hndesc.training.sources import TrainingPhotos

PLAIN = {"probability": 0.0, "blur": 0.0, "noise": 0.0}


def batches_of(data, stylized=False, neighbors=None, stream=0, **settings) -> PairBatches:
    photos = TrainingPhotos(data.photos, data.keypoints, data.stylized if stylized else None, neighbors)
    chosen = training_settings({"batch_size": 3, "crop_size": 48, "max_keypoints": 40} | settings)
    return PairBatches(photos, photos.names, chosen, stream)


def same(first: Batch, second: Batch) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_shapes_and_counts(data):
    batch = batches_of(data).batch(0)
    assert batch.images.shape == (6, 48, 48, 3)
    assert batch.images.dtype == torch.uint8
    assert batch.points.shape == (6, 40, 2)
    assert batch.counts[:3].tolist() == batch.counts[3:].tolist()
    assert batch.counts.min() >= 2
    assert batch.counts.max() <= 40
    for points, count in zip(batch.points, batch.counts, strict=True):
        assert points[:count].min() >= 0
        assert points[:count].max() <= 47
        assert not points[count:].any()
    assert len(batch.similar) == 0
    assert [f"set/{row}.png" for row in batch.photos] == list(batch.names)


def test_unmatched_keypoints_are_filled_up_like_the_others(data):
    plain, parted = (batches_of(data, pair={"unmatched": unmatched}).batch(0) for unmatched in (0.0, 0.3))
    assert plain.unmatched is None and plain.unmatched_counts is None
    assert parted.unmatched.shape == (6, 20, 2)
    assert parted.unmatched_counts.sum() > 0 and parted.unmatched_counts.max() <= 20
    for points, count in zip(parted.unmatched, parted.unmatched_counts, strict=True):
        assert points[:count].unique(dim=0).shape[0] == count
        assert not points[count:].any()
    assert parted.counts.sum() < plain.counts.sum()


def test_the_same_batch_at_any_time_in_any_process(data):
    first = [batches_of(data).batch(number) for number in range(5)]
    alone = batches_of(data).batch(4)
    assert same(first[4], alone)
    for workers in (0, 1, 2):
        streamed = list(stream_batches(batches_of(data), range(2, 5), workers))
        assert all(same(a, b) for a, b in zip(first[2:], streamed, strict=True))


def test_batches_differ_by_number_seed_and_stream(data):
    base = batches_of(data).batch(0)
    for other in (batches_of(data).batch(1), batches_of(data, seed=1).batch(0), batches_of(data, stream=1).batch(0)):
        assert not torch.equal(base.images, other.images)


def test_an_epoch_has_each_photo_once_and_each_epoch_another_order(data):
    batches = batches_of(data, batch_size=2)
    epochs = [[name for number in range(3 * e, 3 * e + 3) for name in batches.order(number)] for e in range(4)]
    assert all(sorted(epoch) == batches.names for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_repeats_no_photo_where_they_suffice(data):
    batches = batches_of(data, batch_size=4)
    assert all(len(set(batches.order(number))) == 4 for number in range(20))
    large = batches_of(data, batch_size=15)
    names = [name for number in range(2) for name in large.order(number)]
    assert {names.count(name) for name in large.names} == {5}


def test_the_positive_is_the_stylized_copy_with_its_probability(data):
    def share(probability: float) -> float:
        batches = batches_of(data, True, stylized_probability=probability, color=PLAIN, batch_size=6)
        inverted = 0
        for number in range(20):
            batch = batches.batch(number)
            # The copies are inverted: keypoints in both crops show opposite colors.
            for row in range(6):
                count = batch.counts[row]
                pixels = [
                    batch.images[r][tuple(batch.points[r, :count].round().long().T.flip(0))] for r in (row, row + 6)
                ]
                correlation = np.corrcoef(pixels[0].flatten().float(), pixels[1].flatten().float())[0, 1]
                assert abs(correlation) > 0.5
                inverted += correlation < 0
        return inverted / 120

    assert share(1.0) == 1.0
    assert share(0.7) == pytest.approx(0.7, abs=0.12)
    assert share(0.0) == 0.0


def test_each_of_several_copies_is_drawn(data):
    rows = [f"set/{number}.png\t{folder}/{number}.jpg\tx\ty\tz" for number in range(6) for folder in ("set", "dark")]
    (data.stylized / "stylized.tsv").write_text("\n".join(["photo\tcopy\tstyle\tclass\tmethod", *rows]) + "\n")
    for number in range(6):
        write_image(data.stylized / "dark" / f"{number}.jpg", np.zeros((96, 120, 3), np.uint8))
    batches = batches_of(data, True, stylized_probability=1.0, color=PLAIN, batch_size=6)
    dark = [float(image.float().mean()) < 5 for number in range(10) for image in batches.batch(number).images[6:]]
    assert np.mean(dark) == pytest.approx(0.5, abs=0.2)


def test_a_broken_photo_is_replaced_the_same_way_and_warned_about_once(data, caplog):
    (data.photos / "set/2.png").write_bytes(b"not a photo")
    results = []
    for workers in (0, 1):
        caplog.clear()
        results.append(list(stream_batches(batches_of(data), range(6), workers)))
        assert caplog.text.count("set/2.png: not an image") == 1
    assert all(same(a, b) for a, b in zip(*results, strict=True))
    assert all("set/2.png" not in batch.names for batch in results[0])
    assert sum(len(batch.skipped) for batch in results[0]) >= 2


def test_a_broken_photo_leaves_the_other_pairs_as_they_were(data):
    batches = batches_of(data)
    before = batches.batch(0)
    (data.photos / before.names[1]).unlink()
    after = batches.batch(0)
    assert (before.names[0], before.names[2]) == (after.names[0], after.names[2])
    assert torch.equal(before.images[[0, 2, 3, 5]], after.images[[0, 2, 3, 5]])


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_cross_processes_as_they_are(data, workers):
    for photo in data.photos.rglob("*.png"):
        photo.write_bytes(b"not a photo")
    with pytest.raises(HndescError, match=r"^no pair with common keypoints could be drawn from 100 photos of [^\n]*$"):
        list(stream_batches(batches_of(data), range(2), workers))


def test_crops_of_similar_photos(data, tmp_path):
    table = tmp_path / "neighbors.tsv"
    write_neighbors(table, [(f"set/{n}.png", f"set/{(n + 1) % 6}.png", 0.5) for n in range(5)])
    batches = batches_of(data, neighbors=table, loss={"negatives": "in_batch_global"}, color=PLAIN, batch_size=6)
    batch = batches.batch(0)
    assert batch.images.shape[0] == 18
    for row, (photo, similar) in enumerate(zip(batch.photos.tolist(), batch.similar.tolist(), strict=True)):
        count = batch.counts[12 + row]
        if photo == 5:
            assert (similar, count) == (-1, 0)
            continue
        assert similar == photo + 1
        assert count > 0
        # The crop is a piece of the similar photo as it is.
        crop = batch.images[12 + row].numpy()
        source = batches.photos.photo(f"set/{similar}.png")
        windows = np.lib.stride_tricks.sliding_window_view(source, (48, 48), axis=(0, 1))
        assert (windows[..., 0, 0] == crop[0, 0]).all(axis=2).any()
        assert (np.abs(windows - crop.transpose(2, 0, 1)[None, None]).max(axis=(2, 3, 4)) == 0).any()


def test_similar_photos_smaller_than_a_crop_are_skipped(data, tmp_path):
    table = tmp_path / "neighbors.tsv"
    write_neighbors(table, [(f"set/{n}.png", f"set/{m}.png", 0.5) for n in range(6) for m in range(6) if n != m])
    batches = batches_of(data, neighbors=table, loss={"negatives": "in_batch_global"}, crop_size=97)
    assert batches.batch(0).similar.tolist() == [-1, -1, -1]


def test_large_turns_come_late(data):
    training, validation = (
        batches_of(data, stream=stream, steps=10, accumulation=2, pair={"turns": 0.3, "turns_from": 0.5})
        for stream in (TRAINING, VALIDATION)
    )
    assert [training.difficulty(number).turns for number in (0, 9, 10, 19)] == [0, 0, 0.3, 0.3]
    assert validation.difficulty(0).turns == 0.3


def test_pairs_grow_harder_during_the_curriculum(data):
    pair = {"rotation": 40, "zoom_max": 1.5, "curriculum": 0.5}
    training, validation = (
        batches_of(data, stream=stream, steps=10, accumulation=2, pair=pair) for stream in (TRAINING, VALIDATION)
    )
    assert [training.difficulty(number).rotation for number in (0, 5, 10, 19)] == [0, 20, 40, 40]
    assert [training.difficulty(number).zoom_max for number in (0, 5, 10, 19)] == [1, 1.25, 1.5, 1.5]
    assert all(validation.difficulty(number) == validation.settings.pair for number in range(20))
    assert batches_of(data, pair={"rotation": 40}).difficulty(0).rotation == 40
    full = batches_of(data, steps=10, accumulation=2, pair=pair | {"curriculum": 0})
    assert not same(training.batch(3), full.batch(3))
    assert same(training.batch(11), full.batch(11))
