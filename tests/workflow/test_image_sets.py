"""Which images of a benchmark are worked on, how, and in how many shards."""

from hndesc.datasets.homography.sequences import LARGE_SCENES

from .planning import plan_of

HPATCHES = {"name": "h", "kind": "hpatches", "dataset": "data/h/"}
RETRIEVAL = {"name": "r", "kind": "retrieval", "dataset": "r"}
LOCALIZATION = {"name": "l", "kind": "localization", "dataset": "l"}


def images_of(*entries: dict, **config):
    return plan_of(benchmarks=list(entries), **config).images


def test_folders() -> None:
    images = images_of(
        HPATCHES,
        HPATCHES | {"name": "s", "protocol": "480x640"},
        RETRIEVAL,
        RETRIEVAL | {"name": "p", "layout": "places"},
    )
    assert [images.folder(name) for name in ("h", "s", "r", "p", "training")] == [
        *("data/h", "results/resized/s", "r", "results/places/p", "results/photos/training")
    ]
    assert images.dataset("s") == "data/h" and images.resized == ["s"] and images.names[0] == "training"
    assert images.of_kind("hpatches") == ["h", "s"] and images.of_kind("tokyo247") == []


def test_sizes_and_numbers_of_keypoints() -> None:
    small = HPATCHES | {"name": "s", "protocol": "480x640"}
    images = images_of(HPATCHES, small, small | {"name": "m", "max_keypoints": 500}, RETRIEVAL, LOCALIZATION)
    counts = {name: tuple(images.settings(name).values()) for name in images.names}
    assert counts == {
        **{"training": (None, None), "h": (None, None), "s": (1000, None), "m": (500, None)},
        **{"r": (4096, 1024), "l": (4096, 1024)},
    }
    unbound = images_of(RETRIEVAL | {"max_keypoints": None, "resize_max": 640})
    assert unbound.settings("r") == {"max_keypoints": None, "resize_max": 640}


def test_selection() -> None:
    images = images_of(
        HPATCHES | {"layout": "pairs"},
        HPATCHES | {"name": "s", "protocol": "480x640", "layout": "pairs", "settings": {"large_scenes": True}},
        RETRIEVAL | {"settings": {"top": 6}},
    )
    listing = "hpatches"
    chosen = {"kind": listing, "top": 100, "part": None, "layout": "pairs", "leave_out": LARGE_SCENES}
    assert images.selection("h") == chosen
    assert (images.selection("s")["layout"], images.selection("s")["leave_out"]) == (None, ())
    assert images.selection("r", "1-of-2") == {"kind": "retrieval", "top": 6, "part": "1-of-2"}
    assert images.selection("training") == {"kind": "folder", "top": 100, "part": None}
    assert images.hpatches("s") == {"protocol": "480x640", "layout": None, "large_scenes": True}


def test_shards() -> None:
    images = images_of(RETRIEVAL | {"shards": 2}, LOCALIZATION)
    assert images.sharded == ["r"]
    assert images.shards("{benchmark}/{descriptor}.{part}", "r", descriptor="d") == ["r/d.1-of-2", "r/d.2-of-2"]
    assert images.shards("{benchmark}.{part}", "l") == []


def test_shortlists() -> None:
    plan = plan_of(
        benchmarks=[
            RETRIEVAL,
            RETRIEVAL | {"name": "d", "shortlist": {"descriptor": "dense", "weights": "trained", "whitening": None}},
            RETRIEVAL | {"name": "f", "shortlist": {"weights": "./w.pth", "resize_max": 64}, "candidates_only": True},
            RETRIEVAL | {"name": "o", "shortlist": {"ranking": "x.mat"}, "distractors": "x/"},
        ],
        neighbors={"descriptor": "color_gradient", "resize_max": 320},
    )
    images = plan.images
    assert images.shortlist("r") == {"descriptor": "color_gradient", "resize_max": 320}
    assert images.shortlist("d") == {"descriptor": "dense", "resize_max": 320}
    assert images.shortlist("f") == {"descriptor": "color_gradient", "resize_max": 64}
    assert [plan.shortlist_weights(name) for name in ("r", "d", "f")] == [
        *([], "results/training/model.safetensors", "w.pth")
    ]
    assert (images.whitening("r"), images.whitening("d")) == ([], "results/shortlists/d.whitening.h5")
    assert images.whitening_dimensions("d") is None
    assert (images.shortlisted("r"), images.shortlisted("f")) == ([], "results/shortlists/f.h5")
    assert images.ranked_by_others == ["o"] and images.ranking("o") == "x.mat"
    assert (images.distractors("r"), images.distractors("o")) == ([], "x")


def test_localization() -> None:
    settings = {"thresholds": [[1, 2]], "registration": {"min_inliers": 5}, "pairs": {"covisible": 4, "lists": ["a/"]}}
    images = images_of(LOCALIZATION | {"settings": settings})
    assert images.registration("l") == {"thresholds": [[1.0, 2.0]], "method": "pnp", "min_inliers": 5}
    assert images.pairs("l") == {"covisible": 4} and images.pair_lists("l") == ["a"]
    assert images.matching("l") == {}
    assert images_of(LOCALIZATION | {"settings": settings | {"ratio": 0.9}}).matching("l") == {"ratio": 0.9}
